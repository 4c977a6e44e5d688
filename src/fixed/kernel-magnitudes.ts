/**
 * Integer weights of a masked scheme as the chip stores them: one magnitude per kernel and a level per tap. Finds them
 * from the integers alone, and multiplies them again.
 */
import { usageError } from "../error.ts";
import { checkKernels, type MaskedPrecision, maskedSchemes } from "./kernel-levels.ts";

export type SplitKernels = {
  /** One per kernel, not negative. */
  readonly magnitudes: Int32Array;
  /** One per tap: a multiple of its kernel's magnitude, -15 to 15. */
  readonly levels: Int8Array;
};

/**
 * Magnitudes and levels whose products are `integers`; undefined where some kernel is no multiple of the
 * precision's levels. Of several solutions the one with the largest levels is taken, which is how rounding makes them.
 * A kernel of zeros has magnitude 0 and the smallest level.
 *
 * Three bits: `[8, -2, 0, 4] -> 2 * [4, -1, 0, 2]`, `[6, 2] -> undefined`. One bit: `[3, -3] -> 3 * [1, -1]`.
 */
export function splitMagnitudes(
  integers: Int32Array,
  taps: number,
  precision: MaskedPrecision,
): SplitKernels | undefined {
  checkKernels(integers.length, taps);
  const { levels: known } = maskedSchemes[precision];
  const magnitudes = new Int32Array(integers.length / taps);
  const levels = new Int8Array(integers.length);
  for (let kernel = 0; kernel < magnitudes.length; kernel += 1) {
    const taken = integers.subarray(kernel * taps, (kernel + 1) * taps);
    const magnitude = magnitudeOf(taken, known);
    if (magnitude === undefined) return undefined;
    magnitudes[kernel] = magnitude;
    for (let tap = 0; tap < taps; tap += 1) {
      levels[kernel * taps + tap] = magnitude === 0 ? known[0]! : taken[tap]! / magnitude;
    }
  }
  return { magnitudes, levels };
}

/** The products. Throws where counts do not fit or a product needs more than 32 bits. */
export function joinMagnitudes({ magnitudes, levels }: SplitKernels, taps: number): Int32Array {
  checkKernels(levels.length, taps);
  if (magnitudes.length * taps !== levels.length) {
    throw usageError("magnitudes and levels do not belong together", {
      expected: `${levels.length / taps} magnitudes`,
      got: `${magnitudes.length}`,
    });
  }
  const integers = new Int32Array(levels.length);
  for (let index = 0; index < levels.length; index += 1) {
    const product = levels[index]! * magnitudes[Math.floor(index / taps)]!;
    // Adding 0 turns -0 into 0, which the conversion to int32 gives.
    if ((product | 0) !== product + 0) {
      throw usageError("a weight needs more than 32 bits", { got: `${product} at ${index}` });
    }
    integers[index] = product;
  }
  return integers;
}

/** The smallest magnitude of which all taps are known multiples; undefined where there is none. */
function magnitudeOf(taps: Int32Array, known: readonly number[]): number | undefined {
  let max = 0;
  for (let tap = 0; tap < taps.length; tap += 1) max = Math.max(max, Math.abs(taps[tap]!));
  if (max === 0) return 0;
  for (let at = known.length - 1; at >= 0; at -= 1) {
    const magnitude = max / known[at]!;
    if (Number.isInteger(magnitude) && magnitude < 2 ** 31 && areMultiples(taps, magnitude, known))
      return magnitude;
  }
  return undefined;
}

function areMultiples(taps: Int32Array, magnitude: number, known: readonly number[]): boolean {
  for (let tap = 0; tap < taps.length; tap += 1) {
    if (!known.includes(Math.abs(taps[tap]!) / magnitude)) return false;
  }
  return true;
}
