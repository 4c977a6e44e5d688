/**
 * What an accumulator can hold: exact bounds from the real weights of a layer. Pure arithmetic; what
 * a chip's accumulator or float32 can take is asked by others.
 */
import { usageError } from "../error.ts";

export type AccumulatorBound = {
  /** Smallest and largest total, bias included. Both are reached by some input. */
  readonly min: number;
  readonly max: number;
  /** Every partial sum, in any order, with or without bias, lies within these; 0 (the start) too. */
  readonly partialMin: number;
  readonly partialMax: number;
};

/** The integers that an input may take after its zero point is subtracted, both ends included. */
export type InputRange = { readonly low: number; readonly high: number };

/**
 * Bounds for each output channel of `sum(x_i * w_i) + bias` with every `x_i` in `low..high`.
 *
 * `weights` are integers `[channels, k]` in C order; `bias` has one integer per channel. Where the
 * layer pads, its padding counts as `x = 0`: let the range hold 0. Exact while the bounds stay below
 * 2^53. Throws where the counts do not fit.
 *
 * `[[2, -3]], bias 1, x in -1..4 -> min -13, max 12, partialMin -14, partialMax 12`:
 * min is `1 - 2 - 12`, max is `1 + 8 + 3`, partialMin is `-2 - 12` before the bias is added.
 */
export function accumulatorBound(
  weights: ArrayLike<number>,
  bias: ArrayLike<number>,
  range: InputRange,
): readonly AccumulatorBound[] {
  const channels = bias.length;
  const perChannel = channels === 0 ? 0 : weights.length / channels;
  if (!Number.isInteger(perChannel) || (channels === 0 && weights.length > 0)) {
    throw usageError("weights do not divide into channels", {
      expected: `a multiple of ${channels} weights`,
      got: `${weights.length}`,
    });
  }
  if (!(range.low <= range.high)) {
    throw usageError("an input range must not be empty", { got: `${range.low}..${range.high}` });
  }
  return Array.from({ length: channels }, (_, channel) =>
    channelBound(weights, channel * perChannel, perChannel, bias[channel]!, range),
  );
}

function channelBound(
  weights: ArrayLike<number>,
  first: number,
  count: number,
  bias: number,
  { low, high }: InputRange,
): AccumulatorBound {
  let [min, max] = [bias, bias];
  let [partialMin, partialMax] = [Math.min(bias, 0), Math.max(bias, 0)];
  for (let at = first; at < first + count; at += 1) {
    const weight = weights[at]!;
    const smallest = weight < 0 ? weight * high : weight * low;
    const largest = weight < 0 ? weight * low : weight * high;
    min += smallest;
    max += largest;
    partialMin += Math.min(smallest, 0);
    partialMax += Math.max(largest, 0);
  }
  return { min, max, partialMin, partialMax };
}
