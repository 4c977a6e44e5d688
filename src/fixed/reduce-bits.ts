/**
 * Picture values to fewer bits, as the GTI chips take them in: the definition of the operator `reduceBits`.
 */
import { inputError, usageError } from "../error.ts";

/**
 * `trunc(value)`, then `min((value + 2^(k - 1)) >> k, 2^to - 1)` with `k = from - to`: the nearest level, half
 * up. Where `to` is not below `from` only the limit is left. Widths are 1 to 31. A value above `2^from - 1`
 * gives the top level. Throws where the value is negative, -0.5 too, or NaN.
 *
 * 8 to 5 bits: `3.99 -> 0, 4 -> 1, 11 -> 1, 12 -> 2, 244 -> 31, 255 -> 31`.
 */
export function reduceBits(value: number, from: number, to: number): number {
  if (!isWidth(from) || !isWidth(to)) {
    throw usageError("bits of a picture are out of range", {
      expected: "1 to 31",
      got: `${from} to ${to}`,
    });
  }
  if (!(value >= 0)) {
    throw inputError("a picture value is negative or no number", {
      expected: `0 to ${2 ** from - 1}`,
      got: `${value}`,
      hint: "Reduced pictures are raw ones: neither mean nor scale is applied before",
    });
  }
  const top = 2 ** to - 1;
  const whole = Math.trunc(value);
  if (to >= from) return Math.min(whole, top);
  const step = 2 ** (from - to);
  return Math.min(Math.floor((whole + step / 2) / step), top);
}

function isWidth(bits: number): boolean {
  return Number.isInteger(bits) && bits >= 1 && bits <= 31;
}
