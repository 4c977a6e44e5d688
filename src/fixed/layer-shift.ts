/**
 * The binary point that a layer's coefficients share on the GTI chips: how it is chosen, and rounding to its
 * grid. What is rounded (weights or the magnitudes of kernels) is decided in coefficients.ts.
 */

/** Added to maxima and means, so that no logarithm of infinity is taken. */
export const epsilon = 1e-6;

/**
 * Who asks: the `layer` that trains adds an epsilon to the largest bias; the `converter` raises maxima to the
 * epsilon instead. They differ where the largest bias is exactly the largest that a shift can hold.
 */
export type ShiftVariant = "layer" | "converter";

export type ShiftLimits = {
  /** Bits of a stored magnitude and of a bias, sign included. */
  readonly parameterBits: number;
  readonly biasBits: number;
  readonly shiftMax: number;
};

/** Each within `0..shiftMax`. */
export type LayerShift = {
  /** The one used: both weights and bias fit at it (or it is 0, and nothing better exists). */
  readonly shift: number;
  /** What the weights, and the bias, would get alone. */
  readonly weightShift: number;
  readonly biasShift: number;
};

/** The largest shift that the training layer chooses: 15 with 8-bit magnitudes, 13 with all others. */
export function layerShiftMax(parameterBits: number): number {
  return parameterBits === 8 ? 15 : 13;
}

/** The largest magnitude of a two's complement number that has its negative: `8 -> 127, 12 -> 2047`. */
export function largestMagnitude(bits: number): number {
  return 2 ** (bits - 1) - 1;
}

/**
 * `min(floor(log2(nW / max|W|)), floor(log2(nB / max|B|)))`, limited to `0..shiftMax`, with the epsilon that
 * the variant asks for. Without weights other than 0, or without a bias, that part asks for `shiftMax`.
 *
 * 12-bit magnitudes, 12-bit bias, shiftMax 13: `max|W| 0.5, max|B| 1 -> weightShift 11, biasShift 10, shift 10`;
 * `max|W| 2047 -> 0`, and `max|W| 1e6 -> 0`: then the weights do not fit.
 */
export function layerShift(
  maxWeight: number,
  maxBias: number | undefined,
  { parameterBits, biasBits, shiftMax }: ShiftLimits,
  variant: ShiftVariant,
): LayerShift {
  const limit = (ratio: number): number => Math.min(Math.max(floorLog2(ratio), 0), shiftMax);
  const weightDivisor = variant === "layer" ? maxWeight : Math.max(maxWeight, epsilon);
  const weightShift =
    maxWeight === 0 ? shiftMax : limit(largestMagnitude(parameterBits) / weightDivisor);
  if (maxBias === undefined) return { shift: weightShift, weightShift, biasShift: shiftMax };
  const biasDivisor = variant === "layer" ? maxBias + epsilon : Math.max(maxBias, epsilon);
  const biasShift = limit(largestMagnitude(biasBits) / biasDivisor);
  return { shift: Math.min(weightShift, biasShift), weightShift, biasShift };
}

/** `floor(log2(x))` of a positive, finite double; exact, whatever the engine's logarithm gives. */
function floorLog2(x: number): number {
  const guess = Math.floor(Math.log2(x));
  if (2 ** guess > x) return guess - 1;
  return 2 ** (guess + 1) <= x ? guess + 1 : guess;
}

/**
 * Half away from zero as the chips' tools compute it: `floor(x + 0.5)`, below zero `ceil(x - 0.5)`, in doubles.
 * The sum itself rounds, so that the largest double below a half goes up (`roundHalfAway` leaves it).
 *
 * `-1.5 -> -2, -0.5 -> -1, -0.3 -> -0, -0 -> 0, 0.5 -> 1, 0.49999999999999994 -> 1`
 */
export function roundByHalf(x: number): number {
  return x >= 0 ? Math.floor(x + 0.5) : Math.ceil(x - 0.5);
}

/** The nearest multiple of `2^-shift`. Shift 2: `0.3 -> 0.25, 0.375 -> 0.5, -0.375 -> -0.5`. */
export function roundToGrid(x: number, shift: number): number {
  const scale = 2 ** shift;
  return roundByHalf(x * scale) / scale;
}

/** Every value to the grid. */
export function roundAllToGrid(values: Float32Array, shift: number): Float32Array {
  const rounded = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += 1) rounded[at] = roundToGrid(values[at]!, shift);
  return rounded;
}

/** The largest magnitude; 0 of nothing. */
export function maxMagnitude(values: Float32Array): number {
  let max = 0;
  for (let at = 0; at < values.length; at += 1) max = Math.max(max, Math.abs(values[at]!));
  return max;
}
