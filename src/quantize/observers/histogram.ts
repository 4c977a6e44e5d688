/**
 * A histogram of fixed size whose range grows with the data. Its range is -2^e..2^e, so bins of a
 * narrow range lie inside those of a wider one, and the result does not depend on the order of the
 * values or on how shards are merged. One huge value makes all bins as wide as it asks for.
 */

/** Bins on each side of 0. The largest magnitude seen lies in the outer half of them. */
export const binsPerSide = 2048;
const bins = 2 * binsPerSide;
const smallestExponent = -100;

export type Histogram = {
  /** The range is `-2^exponent <= x < 2^exponent`: the smallest that holds all values. */
  readonly exponent: number;
  /** Values per bin; bin `i` holds `(i - binsPerSide) * width <= x < (i + 1 - binsPerSide) * width`. */
  readonly counts: Float64Array;
  /** NaN and infinities, which no bin holds. */
  readonly skipped: number;
};

/** Nothing seen yet. */
export function emptyHistogram(): Histogram {
  return { exponent: smallestExponent, counts: new Float64Array(bins), skipped: 0 };
}

/** Width of a bin. */
export function binWidth({ exponent }: Histogram): number {
  return 2 ** exponent / binsPerSide;
}

/** Values counted. */
export function histogramTotal({ counts }: Histogram): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/**
 * From this many values on they are counted in four copies of the bins, added up at the end: counting
 * equal values one after another, zeros say, in one place waits for each to be stored.
 */
const lanesFrom = 16384;

/**
 * `before` and all values of a batch. Negative values closer to 0 than 2^-54 of the range count as 0.
 */
export function observeHistogram(before: Histogram, values: Float32Array): Histogram {
  const counter = new HistogramCounter(before);
  counter.add(values);
  return counter.histogram();
}

/**
 * Counts batch after batch in place: what `observeHistogram` gives, without copies of all bins for
 * each batch, which would take longer than counting a small one.
 */
export class HistogramCounter {
  #exponent: number;
  #skipped: number;
  #counts: Float64Array;
  #seen = 0;

  constructor(before: Histogram = emptyHistogram()) {
    this.#exponent = before.exponent;
    this.#skipped = before.skipped;
    this.#counts = before.counts.slice();
  }

  add(values: Float32Array): void {
    this.#seen += values.length;
    if (this.#seen >= lanesFrom) this.#counts = toLanes(this.#counts);
    let at = 0;
    while (at < values.length) {
      at = countWhileInRange(this.#counts, values, at, binsPerSide / 2 ** this.#exponent);
      if (at >= values.length) break;
      const value = values[at]!;
      if (Number.isFinite(value)) this.#widenFor(value);
      else {
        this.#skipped += 1;
        at += 1;
      }
    }
  }

  #widenFor(value: number): void {
    const needed = exponentOf(value);
    if (needed <= this.#exponent) return;
    const wide = widen(fromLanes(this.#counts), needed - this.#exponent);
    this.#counts = this.#counts.length === bins ? wide : toLanes(wide);
    this.#exponent = needed;
  }

  /** All that was counted so far; later batches do not change it. */
  histogram(): Histogram {
    const counts = fromLanes(this.#counts);
    return { exponent: this.#exponent, counts, skipped: this.#skipped };
  }
}

/** The counts with empty bins for three further lanes behind them. */
function toLanes(counts: Float64Array): Float64Array {
  if (counts.length > bins) return counts;
  const lanes = new Float64Array(4 * bins);
  lanes.set(counts);
  return lanes;
}

/** A copy with the lanes added up. */
function fromLanes(counts: Float64Array): Float64Array {
  const sums = counts.slice(0, bins);
  for (let at = bins; at < counts.length; at += 1) sums[at % bins]! += counts[at]!;
  return sums;
}

/** Exact, associative and commutative. */
export function mergeHistograms(a: Histogram, b: Histogram): Histogram {
  const exponent = Math.max(a.exponent, b.exponent);
  const [left, right] = [a, b].map((one) => widen(one.counts, exponent - one.exponent));
  return {
    exponent,
    counts: left!.map((count, bin) => count + right![bin]!),
    skipped: a.skipped + b.skipped,
  };
}

/**
 * Counts values from `from` on, up to about the first that lies outside the range or is no number;
 * gives its index. Four at a time, each in its lane, so that one comparison guards them all.
 */
function countWhileInRange(
  counts: Float64Array,
  values: Float32Array,
  from: number,
  binsPerUnit: number,
): number {
  const lane = counts.length > bins ? bins : 0;
  let at = from;
  for (; at + 3 < values.length; at += 4) {
    const a = values[at]! * binsPerUnit + binsPerSide;
    const b = values[at + 1]! * binsPerUnit + binsPerSide;
    const c = values[at + 2]! * binsPerUnit + binsPerSide;
    const d = values[at + 3]! * binsPerUnit + binsPerSide;
    const inRange =
      a >= 0 && a < bins && b >= 0 && b < bins && c >= 0 && c < bins && d >= 0 && d < bins;
    if (!inRange) break;
    counts[a | 0]! += 1;
    counts[(b | 0) + lane]! += 1;
    counts[(c | 0) + 2 * lane]! += 1;
    counts[(d | 0) + 3 * lane]! += 1;
  }
  const end = Math.min(at + 4, values.length);
  for (; at < end; at += 1) {
    const bin = values[at]! * binsPerUnit + binsPerSide;
    if (!(bin >= 0 && bin < bins)) break;
    counts[bin | 0]! += 1;
  }
  return at;
}

/** Smallest `e >= smallestExponent` with `-2^e <= value < 2^e`. */
function exponentOf(value: number): number {
  if (value === 0) return smallestExponent;
  const fits = (exponent: number): boolean => value >= -(2 ** exponent) && value < 2 ** exponent;
  let exponent = Math.ceil(Math.log2(Math.abs(value)));
  while (!fits(exponent)) exponent += 1;
  while (fits(exponent - 1)) exponent -= 1;
  return Math.max(exponent, smallestExponent) + 0;
}

/** The same counts in bins 2^steps times as wide. */
function widen(counts: Float64Array, steps: number): Float64Array {
  if (steps === 0) return counts;
  const wide = new Float64Array(bins);
  const shift = Math.min(steps, 31);
  for (let bin = 0; bin < bins; bin += 1) {
    wide[((bin - binsPerSide) >> shift) + binsPerSide]! += counts[bin]!;
  }
  return wide;
}
