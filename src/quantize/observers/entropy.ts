/**
 * The range with the least Kullback-Leibler divergence between the values and their quantized form:
 * the procedure of TensorRT (Migacz, "8-bit inference with TensorRT", GTC 2017), generalised to any
 * number of levels and to ranges that are not symmetric.
 *
 * Differences from the slides, all on purpose:
 * - 0 is representable in every range, so the bin at 0 says nothing; it counts no more than its
 *   neighbour. After a ReLU it would otherwise decide alone.
 * - A level that holds clipped values only counts as if it held one value; the divergence would
 *   be infinite.
 * - Prefix sums make a candidate cost one logarithm per level instead of one per bin.
 */
import { binsPerSide, binWidth, type Histogram } from "./histogram.ts";
import { magnitudeCounts } from "./percentile.ts";
import type { Range, RangeFormat } from "./statistics.ts";

/** Bins that the range is cut into, whatever its width. */
const entropyBins = 2048;

/** Sums over bins `0..i`, for the divergence of any window in one step per level. */
export type Sums = {
  readonly mass: Float64Array;
  readonly occupied: Float64Array;
  /** Of `c * log(c)`. */
  readonly logMass: Float64Array;
};

/**
 * The best of the ranges that both ends of `full` shrink to together. Formats with more than half
 * as many levels as bins keep `full`: the histogram cannot tell their ranges apart.
 */
export function leastDivergenceRange(
  histogram: Histogram,
  full: Range,
  format: RangeFormat,
): Range {
  const { qMin, qMax, signed } = format.number;
  const symmetric = format.symmetric === true && (signed || full.min < 0);
  const limit = Math.max(-full.min, full.max);
  const [low, high] = symmetric ? [0, limit] : [Math.min(full.min, 0), Math.max(full.max, 0)];
  const levels = symmetric ? Math.ceil((qMax - qMin + 1) / 2) : qMax - qMin + 1;
  if (high === low || levels > entropyBins / 2) return full;
  const counts = symmetric
    ? resample(magnitudeCounts(histogram), 0, binWidth(histogram), [low, high])
    : resample(histogram.counts, -binsPerSide, binWidth(histogram), [low, high]);
  const zero = (-low / (high - low)) * entropyBins;
  const share = bestShare(quietZero(counts, zero), zero, levels);
  return symmetric
    ? { min: -limit * share, max: limit * share }
    : { min: low * share, max: high * share };
}

/** Counts in `entropyBins` equal bins over `[low, high]`; each old bin's values lie evenly in it. */
function resample(
  counts: Float64Array,
  firstBin: number,
  width: number,
  [low, high]: readonly [number, number],
): Float64Array {
  const result = new Float64Array(entropyBins);
  const perUnit = entropyBins / (high - low);
  for (const [at, count] of counts.entries()) {
    if (count === 0) continue;
    const start = ((firstBin + at) * width - low) * perUnit;
    spread(result, count, start, start + width * perUnit);
  }
  return result;
}

/** Adds `count` evenly over `start..end`, in bins; what lies outside goes to the end bins. */
function spread(result: Float64Array, count: number, start: number, end: number): void {
  const clamp = (bin: number): number => Math.min(Math.max(bin, 0), entropyBins - 1);
  const [first, last] = [clamp(Math.floor(start)), clamp(Math.ceil(end) - 1)];
  for (let bin = first; bin <= last; bin += 1) {
    const from = bin === first ? start : bin;
    const to = bin === last ? end : bin + 1;
    result[bin]! += (count * (to - from)) / (end - start);
  }
}

/** The bins around 0, given no more than the larger of their outer neighbours. */
function quietZero(counts: Float64Array, zero: number): Float64Array {
  // A resampled bin at 0 may touch two new ones on each side.
  const [from, to] = [
    Math.max(Math.floor(zero) - 2, 0),
    Math.min(Math.ceil(zero) + 2, entropyBins),
  ];
  const limit = Math.max(counts[from - 1] ?? 0, counts[to] ?? 0);
  return counts.map((count, bin) => (bin >= from && bin < to ? Math.min(count, limit) : count));
}

/** The share of the full range with the least divergence: a coarse pass, then one around its best. */
function bestShare(counts: Float64Array, zero: number, levels: number): number {
  const sums = prefixSums(counts);
  if (sums.mass[entropyBins] === 0) return 1;
  const least = (sizes: readonly number[]): number => {
    let [best, divergence] = [entropyBins, Infinity];
    for (const size of sizes) {
      if (size < levels || size > entropyBins) continue;
      const from = Math.round(zero - (zero * size) / entropyBins);
      const found = windowDivergence(counts, sums, from, from + size, levels);
      if (found < divergence) [best, divergence] = [size, found];
    }
    return best;
  };
  const step = 16;
  const coarse = Array.from({ length: entropyBins / step }, (_, at) => entropyBins - at * step);
  const around = least(coarse);
  const fine = Array.from({ length: 2 * step - 1 }, (_, at) => around + step - 1 - at);
  return least(fine) / entropyBins;
}

/** Sums over the first 0, 1, ... bins. */
export function prefixSums(counts: Float64Array): Sums {
  const sums: Sums = {
    mass: new Float64Array(counts.length + 1),
    occupied: new Float64Array(counts.length + 1),
    logMass: new Float64Array(counts.length + 1),
  };
  for (const [bin, count] of counts.entries()) {
    sums.mass[bin + 1] = sums.mass[bin]! + count;
    sums.occupied[bin + 1] = sums.occupied[bin]! + (count > 0 ? 1 : 0);
    sums.logMass[bin + 1] = sums.logMass[bin]! + massLog(count);
  }
  return sums;
}

const massLog = (count: number): number => (count > 0 ? count * Math.log(count) : 0);

/**
 * `sum(P * log(P / Q))` of the window `from..to`: P has the clipped values in the window's end bins;
 * Q spreads each level's own values evenly over the bins that P occupies.
 */
export function windowDivergence(
  counts: Float64Array,
  sums: Sums,
  from: number,
  to: number,
  levels: number,
): number {
  const { mass, logMass } = sums;
  const total = mass[counts.length]!;
  const inside = mass[to]! - mass[from]!;
  if (inside <= 0) return Infinity;
  const [below, above] = [mass[from]!, total - mass[to]!];
  const [first, last] = [counts[from]!, counts[to - 1]!];
  const clippedLog =
    massLog(first + below) - massLog(first) + massLog(last + above) - massLog(last);
  let crossLog = 0;
  let start = from;
  for (let level = 1; level <= levels; level += 1) {
    const end = from + Math.floor((level * (to - from)) / levels);
    if (level === 1) crossLog += levelLog(sums, start, end, below, first);
    else if (level === levels) crossLog += levelLog(sums, start, end, above, last);
    else crossLog += levelLog(sums, start, end, 0, 0);
    start = end;
  }
  const ownLog = logMass[to]! - logMass[from]! + clippedLog;
  return (ownLog - crossLog) / total - Math.log(total / inside);
}

/**
 * `sum(P * log(Q))` over a level's bins, unnormalised. `clipped` values join the level's end bin,
 * which holds `endCount` of its own.
 */
function levelLog(
  { mass, occupied }: Sums,
  start: number,
  end: number,
  clipped: number,
  endCount: number,
): number {
  const own = mass[end]! - mass[start]!;
  if (own + clipped <= 0) return 0;
  const cells = occupied[end]! - occupied[start]! + (clipped > 0 && endCount === 0 ? 1 : 0);
  return (own + clipped) * Math.log((own > 0 ? own : 1) / cells);
}
