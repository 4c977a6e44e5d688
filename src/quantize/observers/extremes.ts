/**
 * Smallest and largest value, of a tensor or of each channel, over any number of batches. NaN and
 * infinities are counted and otherwise ignored.
 */
import { usageError } from "../../error.ts";

export type Extremes = {
  /** Smallest finite value; Infinity before any was seen. */
  readonly min: number;
  /** Largest finite value; -Infinity before any was seen. */
  readonly max: number;
  /** Finite values seen. */
  readonly count: number;
  readonly nans: number;
  readonly infinities: number;
};

/** Nothing seen yet. */
export const noExtremes: Extremes = {
  min: Infinity,
  max: -Infinity,
  count: 0,
  nans: 0,
  infinities: 0,
};

/** Both together: associative and commutative. */
export function mergeExtremes(a: Extremes, b: Extremes): Extremes {
  return {
    min: Math.min(a.min, b.min),
    max: Math.max(a.max, b.max),
    count: a.count + b.count,
    nans: a.nans + b.nans,
    infinities: a.infinities + b.infinities,
  };
}

/** `before` and all values of a batch. */
export function observeExtremes(before: Extremes, values: Float32Array): Extremes {
  return mergeExtremes(before, extremesOf(values, 0, values.length));
}

/** One entry per channel of a batch [n, c, inner]; `before` is empty at the start. */
export function observeChannelExtremes(
  before: readonly Extremes[],
  values: Float32Array,
  [n, c, inner]: readonly [n: number, c: number, inner: number],
): readonly Extremes[] {
  if (n * c * inner !== values.length || (before.length > 0 && before.length !== c)) {
    throw usageError("values do not fit the channels", {
      expected: `${n} x ${before.length > 0 ? before.length : c} x ${inner}`,
      got: `${values.length} values, ${c} channels`,
    });
  }
  return Array.from({ length: c }, (_, channel) => {
    let sum = before[channel] ?? noExtremes;
    for (let image = 0; image < n; image += 1) {
      const start = (image * c + channel) * inner;
      sum = mergeExtremes(sum, extremesOf(values, start, start + inner));
    }
    return sum;
  });
}

/** Channel by channel; an empty list stands for nothing seen. */
export function mergeChannelExtremes(
  a: readonly Extremes[],
  b: readonly Extremes[],
): readonly Extremes[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  if (a.length !== b.length) {
    throw usageError("channels differ", { expected: `${a.length}`, got: `${b.length}` });
  }
  return a.map((one, channel) => mergeExtremes(one, b[channel]!));
}

const infinityKey = 0x7f800000;

/**
 * Float32 bits as int32 whose order is that of the floats: negative numbers are mirrored. Comparing
 * integers takes a quarter of the time that comparing converted floats does.
 */
const orderedKey = (bits: number): number => bits ^ ((bits >> 31) & 0x7fffffff);

function extremesOf(values: Float32Array, from: number, to: number): Extremes {
  if (from >= to) return noExtremes;
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  const [low, high] = keyRange(bits, from, to);
  if (high >= infinityKey || low <= ~infinityKey) return carefulExtremes(values, from, to);
  const [min, max] = new Float32Array(Int32Array.of(orderedKey(low), orderedKey(high)).buffer);
  return { ...noExtremes, min: min! + 0, max: max! + 0, count: to - from };
}

function keyRange(
  bits: Int32Array,
  from: number,
  to: number,
): readonly [low: number, high: number] {
  let [lowA, highA, lowB, highB] = [0x7fffffff, -0x80000000, 0x7fffffff, -0x80000000];
  let at = from;
  for (; at + 1 < to; at += 2) {
    const a = orderedKey(bits[at]!);
    const b = orderedKey(bits[at + 1]!);
    if (a < lowA) lowA = a;
    if (a > highA) highA = a;
    if (b < lowB) lowB = b;
    if (b > highB) highB = b;
  }
  if (at < to) {
    const last = orderedKey(bits[at]!);
    lowA = Math.min(lowA, last);
    highA = Math.max(highA, last);
  }
  return [Math.min(lowA, lowB), Math.max(highA, highB)];
}

function carefulExtremes(values: Float32Array, from: number, to: number): Extremes {
  let { min, max, nans, infinities } = noExtremes;
  for (let at = from; at < to; at += 1) {
    const value = values[at]!;
    if (Number.isNaN(value)) nans += 1;
    else if (!Number.isFinite(value)) infinities += 1;
    else {
      min = Math.min(min, value + 0);
      max = Math.max(max, value + 0);
    }
  }
  return { min, max, count: to - from - nans - infinities, nans, infinities };
}
