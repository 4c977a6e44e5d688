/**
 * The range that leaves a given share of the values out at each end.
 */
import { binsPerSide, binWidth, type Histogram, histogramTotal } from "./histogram.ts";
import type { Range } from "./statistics.ts";

/**
 * Bin edges with at most `1 - percent / 100` of the values below `min`, and as many above `max`.
 * With `symmetric` at most that share of the magnitudes lies above `max = -min`.
 */
export function percentileRange(histogram: Histogram, percent: number, symmetric: boolean): Range {
  const width = binWidth(histogram);
  const allowed = histogramTotal(histogram) * (1 - percent / 100);
  if (symmetric) {
    const limit = edgeAbove(magnitudeCounts(histogram), allowed) * width;
    return { min: -limit, max: limit };
  }
  const above = edgeAbove(histogram.counts, allowed) - binsPerSide;
  const below = edgeAbove(histogram.counts.toReversed(), allowed) - binsPerSide;
  return { min: -below * width + 0, max: above * width };
}

/** Values per magnitude: bin `i` holds `i * width <= |x| < (i + 1) * width`, ends aside. */
export function magnitudeCounts({ counts }: Histogram): Float64Array {
  return Float64Array.from(
    { length: binsPerSide },
    (_, bin) => counts[binsPerSide + bin]! + counts[binsPerSide - 1 - bin]!,
  );
}

/** The smallest number of bins that leaves at most `allowed` values in those behind them. */
function edgeAbove(counts: Float64Array, allowed: number): number {
  let left = 0;
  for (let edge = counts.length; edge > 0; edge -= 1) {
    left += counts[edge - 1]!;
    if (left > allowed) return edge;
  }
  return 0;
}
