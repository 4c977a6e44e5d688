/**
 * Number formats as rows of one table. A format says which integers exist and how a real number
 * becomes one; which scale it gets is chosen in choose-scale.ts. A chip's formats are further rows.
 */
import type { Rounding } from "./rounding.ts";

export type NumberFormat = {
  readonly name: string;
  readonly bits: number;
  readonly signed: boolean;
  /** Smallest integer of the format. */
  readonly qMin: number;
  /** Largest integer of the format. */
  readonly qMax: number;
  readonly rounding: Rounding;
  /** Whether any float32 may be a scale, or powers of two alone. */
  readonly scaleRule: "free" | "powerOfTwo";
  /** What shares one scale: the whole tensor, or each output channel. */
  readonly unit: "tensor" | "channel";
};

/** A two's complement (or unsigned) format: `signed 8 -> -128..127, unsigned 8 -> 0..255`. */
export function integerFormat(
  name: string,
  bits: number,
  signed: boolean,
  rule: Pick<NumberFormat, "rounding" | "scaleRule" | "unit">,
): NumberFormat {
  const levels = 2 ** bits;
  const qMin = signed ? -levels / 2 : 0;
  return { name, bits, signed, qMin, qMax: qMin + levels - 1, ...rule };
}

export type FormatName = "int8" | "uint8" | "int32";

/** The arithmetic of ONNX's quantized operators: free float32 scales, ties to even. */
export const numberFormats: Readonly<Record<FormatName, NumberFormat>> = {
  int8: integerFormat("int8", 8, true, {
    rounding: "halfEven",
    scaleRule: "free",
    unit: "channel",
  }),
  uint8: integerFormat("uint8", 8, false, {
    rounding: "halfEven",
    scaleRule: "free",
    unit: "tensor",
  }),
  /** Biases: their scale is the product of the input's and the weight's. */
  int32: integerFormat("int32", 32, true, {
    rounding: "halfEven",
    scaleRule: "free",
    unit: "channel",
  }),
};
