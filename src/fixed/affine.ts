/**
 * The affine map between real numbers and integers, `real = (q - zeroPoint) * scale`, one value at a
 * time. Scales are float32, and so is every intermediate result: ONNX's QuantizeLinear and
 * DequantizeLinear. Whole tensors go through the interpreter or the engine.
 */
import type { NumberFormat } from "./number-format.ts";
import { roundings, saturate } from "./rounding.ts";

export type AffineParams = {
  /** Positive and finite; exactly a float32. */
  readonly scale: number;
  /** The integer that stands for 0. */
  readonly zeroPoint: number;
};

/**
 * `saturate(round(fround(x / scale)) + zeroPoint)` in the format's rounding and range.
 *
 * int8, scale 1, zero point 0: `-1.5 -> -2, -0.5 -> 0, 0.5 -> 0, 1.5 -> 2, -200 -> -128, 200 -> 127`.
 * uint8, scale 0.5, zero point 10: `-5.25 -> 0, 0 -> 10, 1 -> 12, 122.5 -> 255, 1e9 -> 255`.
 */
export function quantizeValue(
  x: number,
  { scale, zeroPoint }: AffineParams,
  format: Pick<NumberFormat, "qMin" | "qMax" | "rounding">,
): number {
  const steps = roundings[format.rounding](Math.fround(Math.fround(x) / scale));
  // Adding 0 turns -0 into 0: an integer has no sign of zero.
  return saturate(steps + zeroPoint, format.qMin, format.qMax) + 0;
}

/**
 * `fround(fround(q - zeroPoint) * scale)`.
 *
 * Scale 0.5, zero point 10: `0 -> -5, 10 -> 0, 255 -> 122.5`.
 */
export function dequantizeValue(q: number, { scale, zeroPoint }: AffineParams): number {
  return Math.fround(Math.fround(q - zeroPoint) * scale);
}
