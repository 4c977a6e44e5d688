/**
 * Inlay's int8 numerics: what becomes of an integer accumulator. These four functions are the
 * definition; every interpreter and lowering must equal them bit for bit.
 * All intermediate results are float32. Products of two float32 are exact in double and sums of two
 * have at most one rounding too many to matter (53 >= 2 * 24 + 2), so `fround` after each step is
 * exactly the float32 operation.
 */
import { roundHalfEven, saturate } from "./rounding.ts";

/** The grid of an integer output. */
export type OutputGrid = { readonly yZero: number; readonly qMin: number; readonly qMax: number };

/**
 * `clamp(roundHalfEven(fround(fround(acc) * multiplier)) + yZero, qMin, qMax)`. The multiplier is a
 * float32, normally `fround(fround(sx * sw) / sy)`.
 *
 * Multiplier 0.5, yZero 0, -128..127: `-3 -> -2, -1 -> 0, 1 -> 0, 3 -> 2, 1000 -> 127, -1000 -> -128`.
 */
export function requantize(acc: number, multiplier: number, grid: OutputGrid): number {
  return toGrid(realValue(acc, multiplier), grid);
}

/** The accumulator's real value, `fround(fround(acc) * multiplier)`, multiplier `fround(sx * sw)`. */
export function realValue(acc: number, multiplier: number): number {
  return Math.fround(Math.fround(acc) * multiplier);
}

/**
 * The integer of a float32 value in units of the output's step: `clamp(roundHalfEven(v) + yZero)`.
 * NaN gives qMin.
 */
export function toGrid(steps: number, { yZero, qMin, qMax }: OutputGrid): number {
  // Adding 0 turns -0 into 0: an integer has no sign of zero.
  return saturate(roundHalfEven(steps) + yZero, qMin, qMax) + 0;
}

/**
 * The sum of two grids, `a` and `b` after their zero points:
 * `toGrid(fround(fround(fround(a) * aMultiplier) + fround(fround(b) * bMultiplier)))`.
 *
 * Multipliers 0.5 and 0.25, yZero 3, 0..255: `1, 0 -> 3, 3, 0 -> 5, 1, 2 -> 4, -9, 0 -> 0`.
 */
export function addToGrid(
  [a, b]: readonly [a: number, b: number],
  multipliers: readonly [a: number, b: number],
  grid: OutputGrid,
): number {
  return toGrid(Math.fround(realValue(a, multipliers[0]) + realValue(b, multipliers[1])), grid);
}
