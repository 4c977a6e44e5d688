/**
 * Largest magnitudes to represent of a layer's weights, per output channel or for the whole tensor.
 * Weights are quantized around 0.
 */
import { chooseSymmetric } from "../../fixed/choose-scale.ts";
import { emptyHistogram, observeHistogram } from "./histogram.ts";
import { leastErrorRange, searchRange } from "./mean-squared-error.ts";
import type { RangeFormat } from "./statistics.ts";

export type WeightRangeOptions = {
  readonly unit: "channel" | "tensor";
  /** The largest magnitude itself, or the limit with the least squared error. */
  readonly method: "maxAbs" | "mse";
};

/** Groups at least this large are searched on a histogram instead of value by value. */
const histogramFrom = 8192;
/** Limits below this many halvings of the largest weight are not tried value by value. */
const octavesDown = 4;

/**
 * Limits of weights [out, ...] with `channels` output channels: one per channel, or a single one.
 * Values that are not finite are ignored; nothing but zeros gives 0.
 */
export function weightLimits(
  weights: Float32Array,
  channels: number,
  format: RangeFormat,
  { unit, method }: WeightRangeOptions,
): Float64Array {
  const groups = unit === "tensor" ? 1 : channels;
  const size = groups === 0 ? 0 : weights.length / groups;
  return Float64Array.from({ length: groups }, (_, group) => {
    const values = weights.subarray(group * size, (group + 1) * size);
    const limit = largestMagnitude(values);
    return method === "maxAbs" || limit === 0 ? limit : leastErrorLimit(values, limit, format);
  });
}

function largestMagnitude(values: Float32Array): number {
  let most = 0;
  for (const value of values) {
    const magnitude = Math.abs(value);
    if (magnitude > most && magnitude < Infinity) most = magnitude;
  }
  return most;
}

function leastErrorLimit(values: Float32Array, limit: number, format: RangeFormat): number {
  const full = { min: -limit, max: limit };
  const around = { ...format, symmetric: true };
  if (values.length >= histogramFrom) {
    return leastErrorRange(observeHistogram(emptyHistogram(), values), full, around).max;
  }
  const finite = values.every(Number.isFinite) ? values : values.filter(Number.isFinite);
  return searchRange(({ max }) => squaredError(finite, max, around), full, true, octavesDown).max;
}

function squaredError(values: Float32Array, limit: number, format: RangeFormat): number {
  const { qMax } = format.number;
  const { scale } = chooseSymmetric(limit, format.number, format);
  const perStep = 1 / scale;
  let sum = 0;
  for (let at = 0; at < values.length; at += 1) {
    const steps = values[at]! * perStep;
    const nearest = Math.floor(steps + 0.5);
    const error = steps - Math.max(-qMax, Math.min(qMax, nearest));
    sum += error * error;
  }
  return sum * scale * scale;
}
