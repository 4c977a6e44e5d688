/**
 * The range whose quantization has the least expected squared error on the histogram: rounding and
 * clipping both, each bin taken at its centre.
 */
import { chooseAffine } from "../../fixed/choose-scale.ts";
import { binsPerSide, binWidth, type Histogram } from "./histogram.ts";
import type { Range, RangeFormat } from "./statistics.ts";

/** Mean squared error (times the number of values) of quantizing to a range. */
type Cost = (range: Range) => number;

/**
 * Searches ranges inside `full`: first both ends shrunk together in steps of 2^(1/8) down to
 * 2^-10, then the ends apart in finer and finer steps. Of equal errors the wider range wins.
 */
export function leastErrorRange(histogram: Histogram, full: Range, format: RangeFormat): Range {
  return searchRange(histogramCost(histogram, format), full, format.symmetric === true);
}

/** The search itself, for any cost, down to `2^-octaves` of `full`. */
export function searchRange(cost: Cost, full: Range, symmetric: boolean, octaves = 10): Range {
  const factors = Array.from({ length: 8 * octaves + 1 }, (_, step) => 2 ** (-step / 8));
  let best = cheapest(
    factors.map((factor) => shrink(full, factor, factor)),
    cost,
  );
  for (const step of [1 / 16, 1 / 64, 1 / 256]) {
    const near = [-3, -2, -1, 0, 1, 2, 3].map((count) => 2 ** (count * step));
    const moves = symmetric
      ? [near.map((factor) => [factor, factor] as const)]
      : [near.map((factor) => [factor, 1] as const), near.map((factor) => [1, factor] as const)];
    for (const move of moves) {
      const start = best;
      best = cheapest(
        [start, ...move.map(([low, high]) => within(shrink(start, low, high), full))],
        cost,
      );
    }
  }
  return best;
}

const shrink = ({ min, max }: Range, low: number, high: number): Range => ({
  min: Math.min(min, 0) === 0 ? min : min * low,
  max: Math.max(max, 0) === 0 ? max : max * high,
});

function within({ min, max }: Range, full: Range): Range {
  return { min: Math.max(min, full.min), max: Math.min(max, full.max) };
}

function cheapest(ranges: readonly Range[], cost: Cost): Range {
  let [best, least] = [ranges[0]!, Infinity];
  for (const range of ranges) {
    const error = range.min <= range.max ? cost(range) : Infinity;
    if (error < least) [best, least] = [range, error];
  }
  return best;
}

function histogramCost(histogram: Histogram, format: RangeFormat): Cost {
  const { counts } = histogram;
  const width = binWidth(histogram);
  const first = Math.max(
    counts.findIndex((count) => count > 0),
    0,
  );
  const last = counts.findLastIndex((count) => count > 0);
  return ({ min, max }) => {
    const { scale, zeroPoint } = chooseAffine(min, max, format.number, format);
    const low = (format.number.qMin - zeroPoint) * scale;
    const high = (format.number.qMax - zeroPoint) * scale;
    // Steps narrower than a bin would seem free of error where they meet its centre.
    const isFine = scale < 2 * width;
    const perStep = 1 / scale;
    let sum = 0;
    for (let bin = first; bin <= last; bin += 1) {
      const centre = (bin + 0.5 - binsPerSide) * width;
      let error = centre < low ? low - centre : centre - high;
      if (error <= 0) {
        const steps = centre * perStep;
        error = isFine ? scale * sqrtTwelfth : (steps - Math.floor(steps + 0.5)) * scale;
      }
      sum += counts[bin]! * error * error;
    }
    return sum;
  };
}

const sqrtTwelfth = Math.sqrt(1 / 12);
