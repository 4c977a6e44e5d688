/**
 * Rounding of doubles to integers, and saturation. Every function is exact for all finite doubles and
 * keeps the sign of zero; infinities and NaN come back unchanged from the rounding functions.
 * Not here: number formats (number-format.ts) and shifts of integers.
 */

export type Rounding = "halfEven" | "halfAway" | "halfUp";

/** From here on every double is an integer. */
const allIntegersFrom: number = 2 ** 52;

/**
 * Nearest integer, ties to the even one (IEEE 754 roundTiesToEven; ONNX's Round and QuantizeLinear).
 *
 * `-1.5 -> -2, -0.5 -> -0, 0.5 -> 0, 1.5 -> 2, 2.5 -> 2, 0.49999999999999994 -> 0`
 */
export function roundHalfEven(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude >= allIntegersFrom || x === 0) return x;
  // The sum lies in [2^52, 2^53], where a double's last place is 1: the addition itself rounds.
  const rounded = magnitude + allIntegersFrom - allIntegersFrom;
  return x < 0 ? -rounded : rounded;
}

/**
 * Nearest integer, ties away from zero (C's `round`).
 *
 * `-1.5 -> -2, -0.5 -> -1, 0.5 -> 1, 1.5 -> 2, 2.5 -> 3, 0.49999999999999994 -> 0`
 */
export function roundHalfAway(x: number): number {
  const magnitude = Math.abs(x);
  if (magnitude >= allIntegersFrom || x === 0) return x;
  // Not floor(magnitude + 0.5): that sum rounds up for the largest double below one half.
  const floor = Math.floor(magnitude);
  const rounded = magnitude - floor >= 0.5 ? floor + 1 : floor;
  return x < 0 ? -rounded : rounded;
}

/**
 * Nearest integer, ties towards plus infinity (`floor(x + 0.5)` in exact arithmetic).
 *
 * `-1.5 -> -1, -0.5 -> -0, 0.5 -> 1, 1.5 -> 2, 2.5 -> 3, 0.49999999999999994 -> 0`
 */
export function roundHalfUp(x: number): number {
  return Math.round(x);
}

/** The rounding function behind each name. */
export const roundings: Readonly<Record<Rounding, (x: number) => number>> = {
  halfEven: roundHalfEven,
  halfAway: roundHalfAway,
  halfUp: roundHalfUp,
};

/**
 * `x` limited to `low..high`; NaN gives `low`, as the SIMD maximum of ONNX Runtime's kernels does.
 *
 * For -128..127: `-129 -> -128, -128 -> -128, 5 -> 5, 127 -> 127, 1e9 -> 127, NaN -> -128`
 */
export function saturate(x: number, low: number, high: number): number {
  if (!(x > low)) return low;
  return Math.min(x, high);
}
