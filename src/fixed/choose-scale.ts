/**
 * From a range of real numbers to scale and zero point. Which range to take (extremes, a percentile,
 * least error) is calibration's business, not this file's.
 */
import { usageError } from "../error.ts";
import type { AffineParams } from "./affine.ts";
import type { NumberFormat } from "./number-format.ts";
import { roundHalfEven, saturate } from "./rounding.ts";

export type ScaleOptions = {
  /** Zero point 0, or the middle of an unsigned format where the range has negative values. */
  readonly symmetric?: boolean;
  /** Rounds the scale up to a power of two; always so in a format whose scale rule says it. */
  readonly powerOfTwo?: boolean;
};

/** Smallest normal float32: scales below it would lose digits, and their reciprocals overflow. */
export const minScale: number = 2 ** -126;
/** Largest float32. */
const maxFloat: number = 2 ** 128 - 2 ** 104;
const maxPowerOfTwo: number = 2 ** 127;

/**
 * Scale and zero point for the range `min..max` (finite, min <= max), widened to hold 0 so that 0 is
 * exactly representable: `scale = fround((max - min) / (qMax - qMin))`,
 * `zeroPoint = saturate(roundHalfEven(qMin - min / scale))`. An all-zero range gets scale 1. Scales
 * stay within the normal float32 numbers. Rounding may leave the ends up to one step outside.
 *
 * uint8: `-1..1.55 -> 0.01, 100`, `0..255 -> 1, 0`, `3..6 -> 6/255, 0`, `0..0 -> 1, 0`;
 * int8: `0..255 -> 1, -128`; int8 symmetric: `-1..1.27 -> 0.01, 0`; uint8 symmetric: `-1..1 -> 1/127, 128`.
 */
export function chooseAffine(
  min: number,
  max: number,
  format: NumberFormat,
  options: ScaleOptions = {},
): AffineParams {
  if (!(Number.isFinite(min) && Number.isFinite(max) && min <= max)) {
    throw usageError("a range must be finite and not empty", { got: `${min}..${max}` });
  }
  if (options.symmetric === true) return chooseAroundZero(min, max, format, options);
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)];
  // Divided before subtracting: the difference of two huge doubles may overflow.
  const steps = format.qMax - format.qMin;
  const scale = storableScale(perStep(high, steps) + perStep(-low, steps), format, options);
  const zeroPoint = saturate(roundHalfEven(format.qMin - low / scale), format.qMin, format.qMax);
  return { scale, zeroPoint: zeroPoint + 0 };
}

/**
 * The symmetric choice for magnitudes up to `maxAbs` (finite, not negative): zero point 0 and
 * `scale = fround(maxAbs / qMax)`, so that a signed format's most negative integer stays unused.
 *
 * int8: `1.27 -> 0.01`, `0 -> 1`; with powers of two: `1.27 -> 2^-6`, `127 -> 1`, `128 -> 2`.
 */
export function chooseSymmetric(
  maxAbs: number,
  format: NumberFormat,
  options: Pick<ScaleOptions, "powerOfTwo"> = {},
): AffineParams {
  if (!Number.isFinite(maxAbs) || maxAbs < 0) {
    throw usageError("a largest magnitude must be finite and not negative", { got: `${maxAbs}` });
  }
  return { scale: storableScale(perStep(maxAbs, format.qMax), format, options), zeroPoint: 0 };
}

function chooseAroundZero(
  min: number,
  max: number,
  format: NumberFormat,
  options: ScaleOptions,
): AffineParams {
  const maxAbs = Math.max(-min, max);
  if (format.signed || min >= 0) return chooseSymmetric(maxAbs, format, options);
  const middle = (format.qMax + 1) / 2;
  const scale = storableScale(perStep(maxAbs, format.qMax - middle), format, options);
  return { scale, zeroPoint: middle };
}

/** `magnitude / steps`, but 0 for 0 alone: the quotient of the smallest doubles would underflow. */
function perStep(magnitude: number, steps: number): number {
  return magnitude === 0 ? 0 : Math.max(magnitude / steps, Number.MIN_VALUE);
}

/** A positive normal float32, a power of two where asked for; 1 for 0. */
function storableScale(
  scale: number,
  format: NumberFormat,
  options: Pick<ScaleOptions, "powerOfTwo">,
): number {
  if (scale === 0) return 1;
  const powerOfTwo = options.powerOfTwo === true || format.scaleRule === "powerOfTwo";
  if (!powerOfTwo)
    return saturate(Math.fround(saturate(scale, minScale, maxFloat)), minScale, maxFloat);
  return 2 ** ceilLog2(saturate(scale, minScale, maxPowerOfTwo));
}

/**
 * The smallest integer `e` with `2^e >= x`, for `x` within the normal float32 numbers.
 *
 * `1 -> 0, 1.0000000000000002 -> 1, 0.75 -> 0, 0.5 -> -1, 3 -> 2`
 */
export function ceilLog2(x: number): number {
  // Math.log2 may be off by one place near a power of two: take its guess and correct it.
  let exponent = Math.round(Math.log2(x)) + 0;
  while (2 ** exponent < x) exponent += 1;
  while (2 ** (exponent - 1) >= x) exponent -= 1;
  return exponent;
}
