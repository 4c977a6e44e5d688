/**
 * From statistics to the range of real numbers that the integers shall hold, by one of five methods.
 * Scale and zero point follow from the range in fixed/choose-scale.ts.
 */
import { usageError } from "../../error.ts";
import { leastDivergenceRange } from "./entropy.ts";
import type { Histogram } from "./histogram.ts";
import { leastErrorRange } from "./mean-squared-error.ts";
import { percentileRange } from "./percentile.ts";
import type { Range, RangeFormat, Statistics } from "./statistics.ts";

/** The methods, as the command line names them. */
export const rangeMethods = ["minmax", "movingAverage", "percentile", "entropy", "mse"] as const;
export type RangeMethod = (typeof rangeMethods)[number];

export type RangeOptions = {
  /** For percentile: the share of values, in percent, that each end keeps. */
  readonly percent?: number;
};

/**
 * The range inside the observed extremes, `0..0` where nothing was seen. Constant values keep their
 * range. Throws where the statistics lack what the method reads.
 */
export function chooseRange(
  method: RangeMethod,
  statistics: Statistics,
  format: RangeFormat,
  options: RangeOptions = {},
): Range {
  const { extremes } = statistics;
  if (extremes.count === 0) return { min: 0, max: 0 };
  const full: Range = { min: extremes.min, max: extremes.max };
  if (full.min === full.max) return full;
  return within(methodRange(method, statistics, format, options, full), full);
}

function methodRange(
  method: RangeMethod,
  statistics: Statistics,
  format: RangeFormat,
  options: RangeOptions,
  full: Range,
): Range {
  switch (method) {
    case "minmax":
      return full;
    case "movingAverage":
      return statistics.average ?? missing(method, "moving average");
    case "percentile":
      return percentile(statistics, format, options.percent ?? 99.99);
    case "entropy":
      return leastDivergenceRange(histogramOf(method, statistics), full, format);
    case "mse":
      return leastErrorRange(histogramOf(method, statistics), full, format);
  }
}

function percentile(statistics: Statistics, format: RangeFormat, percent: number): Range {
  if (!(percent > 50 && percent <= 100)) {
    throw usageError("percentile is out of range", {
      expected: "above 50, at most 100",
      got: `${percent}`,
    });
  }
  const histogram = histogramOf("percentile", statistics);
  return percentileRange(histogram, percent, format.symmetric === true);
}

function histogramOf(method: RangeMethod, { histogram }: Statistics): Histogram {
  return histogram ?? missing(method, "histogram");
}

function missing(method: RangeMethod, what: string): never {
  throw usageError(`method "${method}" needs a ${what}`, {
    hint: `Observe one, or take the method "minmax"`,
  });
}

function within({ min, max }: Range, full: Range): Range {
  const low = Math.min(Math.max(min, full.min), full.max);
  return { min: low, max: Math.max(Math.min(max, full.max), low) };
}
