/**
 * What calibration keeps of one value, as one small mergeable object, and how a range is asked of
 * it. The methods themselves have a file each.
 */
import type { ScaleOptions } from "../../fixed/choose-scale.ts";
import type { NumberFormat } from "../../fixed/number-format.ts";
import { type Extremes, mergeExtremes } from "./extremes.ts";
import { type Histogram, mergeHistograms } from "./histogram.ts";
import { type MovingAverage, mergeMovingAverages } from "./moving-average.ts";

export type Statistics = {
  /** Of every value seen. */
  readonly extremes: Extremes;
  /** Of every value or of a sample; for percentile, entropy and mse. */
  readonly histogram?: Histogram;
  /** For movingAverage. */
  readonly average?: MovingAverage;
};

/** The integers that a range is chosen for. */
export type RangeFormat = { readonly number: NumberFormat } & ScaleOptions;

/** A range of real numbers, min <= max. */
export type Range = { readonly min: number; readonly max: number };

/** Both together; a part that one of them lacks is lacking. */
export function mergeStatistics(a: Statistics, b: Statistics): Statistics {
  return {
    extremes: mergeExtremes(a.extremes, b.extremes),
    ...(a.histogram && b.histogram && { histogram: mergeHistograms(a.histogram, b.histogram) }),
    ...(a.average && b.average && { average: mergeMovingAverages(a.average, b.average) }),
  };
}
