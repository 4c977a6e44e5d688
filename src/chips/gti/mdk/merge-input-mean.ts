/**
 * The mean of the pictures as part of the first convolution's bias, so that the chip takes pictures as they are. Exact
 * where the kernel lies inside the picture; at a padded border the mean is taken off zeros too.
 */
import { inputError } from "../../../error.ts";
import { type LayerParameters, weightsPerOutput } from "./layer-parameters.ts";

/** What the pictures' preprocessing did: `(x - mean[channel]) * scale`. */
export type InputMean = {
  readonly scale: number;
  /** Per input channel of the network. */
  readonly means: readonly number[];
  readonly groups: number;
};

/**
 * `b' = b + scale * (-sum over channels of mean * (sum over taps of W))`. Sums over taps are float32, in the order of the kit's
 * arithmetic library; the rest is double, rounded once.
 *
 * Weights 1 and 2 of one output and two channels, b 1, means 10 and 20, scale 0.5: `1 - 0.5 * (10 + 40) = -24`.
 */
export function mergeInputMean(
  conv: LayerParameters,
  { scale, means, groups }: InputMean,
  node: string,
): LayerParameters {
  const outputs = conv.bias.length;
  const perOutput = weightsPerOutput(conv, node);
  const channels = means.length / groups;
  const taps = perOutput / channels;
  if (!Number.isInteger(channels) || !Number.isInteger(taps) || taps === 0) {
    throw inputError("the means are not as many as the convolution has input channels", {
      node,
      got: `${means.length} means, ${perOutput} weights per output, ${groups} groups`,
    });
  }
  const outputsPerGroup = outputs / groups;
  const bias = new Float32Array(outputs);
  for (let output = 0; output < outputs; output += 1) {
    const firstChannel = Math.floor(output / outputsPerGroup) * channels;
    let sum = 0;
    for (let channel = 0; channel < channels; channel += 1) {
      const from = output * perOutput + channel * taps;
      const kernel = conv.weight.subarray(from, from + taps);
      sum -= (means[firstChannel + channel] ?? 0) * pairwiseSum(kernel);
    }
    bias[output] = (conv.bias[output] ?? 0) + scale * sum;
  }
  return { weight: conv.weight, bias };
}

/** The longest run that is summed without halving it. */
const longestRun = 128;

/** A float32 sum as NumPy orders it: below 8 values one by one, up to 128 in eight strands, beyond that in halves. */
function pairwiseSum(values: Float32Array): number {
  const { length } = values;
  if (length < 8) return values.reduce((sum, value) => Math.fround(sum + value), 0);
  if (length > longestRun) {
    const half = length / 2 - ((length / 2) % 8);
    const middle = Math.floor(half);
    return Math.fround(
      pairwiseSum(values.subarray(0, middle)) + pairwiseSum(values.subarray(middle)),
    );
  }
  const whole = length - (length % 8);
  const strands = values.slice(0, 8);
  for (let at = 8; at < whole; at += 1) {
    strands[at % 8] = (strands[at % 8] ?? 0) + (values[at] ?? 0);
  }
  const pairs = joinPairs(joinPairs(joinPairs(strands)));
  let sum = pairs[0] ?? 0;
  for (const value of values.subarray(whole)) sum = Math.fround(sum + value);
  return sum;
}

/** `[a, b, c, d] -> [a + b, c + d]`, in float32. */
function joinPairs(values: Float32Array): Float32Array {
  return Float32Array.from(
    { length: values.length / 2 },
    (_, at) => (values[2 * at] ?? 0) + (values[2 * at + 1] ?? 0),
  );
}
