/**
 * The value at a place of a sorted stream of float32, exactly and in bounded memory: values are counted by the upper
 * half of their bits, then, in a second pass, those of one bin by the lower half. Zeros of both signs are neighbours.
 */
import { usageError } from "../../error.ts";

/** Bins of one pass: half of the bits. */
const bins = 2 ** 16;

export type BitCounts = {
  /** How many values fell into each bin, in ascending order of the values. */
  readonly counts: Float64Array;
  /** Undefined: all values by their upper bits; else those of this upper bin by their lower bits. */
  readonly upper: number | undefined;
};

export function startCounts(upper?: number): BitCounts {
  return { counts: new Float64Array(bins), upper };
}

/** Adds values. Changes `counts`. */
export function countBits({ counts, upper }: BitCounts, values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (const one of bits) {
    const key = orderedKey(one);
    if (upper === undefined) counts[key >>> 16] = (counts[key >>> 16] ?? 0) + 1;
    else if (key >>> 16 === upper) counts[key & 0xffff] = (counts[key & 0xffff] ?? 0) + 1;
  }
}

/** Bits as an unsigned number that grows as the value does. */
function orderedKey(bits: number): number {
  return (bits >>> 31 === 1 ? ~bits : bits | 0x8000_0000) >>> 0;
}

/** How many values were counted, and how many of the upper bins are infinite or no numbers. */
export function countOf({ counts }: BitCounts): { readonly all: number; readonly odd: number } {
  let [all, odd] = [0, 0];
  for (const [bin, count] of counts.entries()) {
    all += count;
    if (bin < firstFinite || bin > lastFinite) odd += count;
  }
  return { all, odd };
}

/** Upper bins between -infinity and +infinity (0xff80 and 0x7f80 as upper bits). */
const firstFinite = 0x0080;
const lastFinite = 0xff7f;

/** The bin of the value at `rank` (from 0), and its rank within that bin. */
export function binAt(
  { counts }: BitCounts,
  rank: number,
): { readonly bin: number; readonly rank: number } {
  let before = 0;
  for (const [bin, count] of counts.entries()) {
    if (rank < before + count) return { bin, rank: rank - before };
    before += count;
  }
  throw usageError("the place is beyond the values", {
    expected: `below ${before}`,
    got: `${rank}`,
  });
}

/** The value whose key has these halves. */
export function valueOfKey(upper: number, lower: number): number {
  const key = (upper * bins + lower) >>> 0;
  const bits = key >>> 31 === 1 ? key & 0x7fff_ffff : ~key;
  return new Float32Array(Uint32Array.of(bits >>> 0).buffer)[0] ?? 0;
}
