/**
 * What follows a sum of integers on a chip with shifts: a rounding shift, and what a narrower accumulator makes of a
 * total that it cannot hold. Exact for integers below 2^53.
 */
import { usageError } from "../error.ts";
import { saturate } from "./rounding.ts";

/**
 * `floor(acc * 2^-shift + 0.5)`: to the nearest, ties up. `acc` is an integer of magnitude below 2^53, `shift`
 * -16 to 31. A shift below 0 multiplies; then the result may exceed 2^53 and is still exact.
 *
 * Shift 1: `-3 -> -1, -1 -> 0, 1 -> 1, 3 -> 2`. Shift 0: `5 -> 5`. Shift -2: `3 -> 12`.
 */
export function shiftRound(acc: number, shift: number): number {
  checkInteger(acc);
  if (!(Number.isInteger(shift) && shift >= -16 && shift <= 31)) {
    throw usageError("a shift is out of range", { expected: "-16 to 31", got: `${shift}` });
  }
  // Adding 0 turns -0 into 0.
  if (shift <= 0) return acc * 2 ** -shift + 0;
  const step = 2 ** shift;
  // Not floor(x + 0.5): that sum rounds from 2^52 on.
  const floor = Math.floor(acc / step);
  const rest = acc - floor * step;
  return (2 * rest >= step ? floor + 1 : floor) + 0;
}

/**
 * The low `bits` bits as two's complement: what an adder of that width leaves. `bits` is 1 to 53. Sums may be wrapped
 * once at their end: wrapping after every addition gives the same.
 *
 * 8 bits: `127 -> 127, 128 -> -128, -129 -> 127, 256 -> 0`.
 */
export function wrap(acc: number, bits: number): number {
  checkInteger(acc);
  checkWidth(bits);
  const count = 2 ** bits;
  const low = acc - Math.floor(acc / count) * count;
  return low >= count / 2 ? low - count : low;
}

/**
 * A total in a signed accumulator of `bits` bits. `saturate` limits the total alone: a real adder that
 * saturates on its way may give another result.
 *
 * 8 bits, 130: wrap -126, saturate 127.
 */
export function narrow(acc: number, bits: number, overflow: "saturate" | "wrap"): number {
  if (overflow === "wrap") return wrap(acc, bits);
  checkInteger(acc);
  checkWidth(bits);
  const half = 2 ** (bits - 1);
  return saturate(acc, -half, half - 1);
}

function checkInteger(acc: number): void {
  if (!Number.isSafeInteger(acc)) {
    throw usageError("an accumulator holds no exact integer", {
      expected: "an integer of magnitude below 2^53",
      got: `${acc}`,
    });
  }
}

function checkWidth(bits: number): void {
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= 53)) {
    throw usageError("bits of an accumulator are out of range", {
      expected: "1 to 53",
      got: `${bits}`,
    });
  }
}
