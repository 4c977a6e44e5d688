/**
 * A batch norm and its scale as part of the convolution before them, in the kit's arithmetic: doubles from float32
 * statistics, each result rounded once. (The pass fold-batch-norm.ts folds graphs; this folds Caffe's blobs.)
 */
import { inputError } from "../../../error.ts";
import { type LayerParameters, weightsPerOutput } from "./layer-parameters.ts";

/** Caffe's blobs of a BatchNorm, and of the Scale behind it; all but the count are per output. */
export type BatchNormBlobs = {
  /** Sums: divided by `count` they are mean and variance. */
  readonly mean: Float32Array;
  readonly variance: Float32Array;
  readonly count: number;
  /** Undefined: ones, and zeros. */
  readonly gamma: Float32Array | undefined;
  readonly beta: Float32Array | undefined;
};

/** The constant of the kit's script, whatever the layer says. */
export const kitEpsilon = 1e-5;

/**
 * `a = gamma / sqrt(variance / count + epsilon)`, `W' = a W`, `b' = a b + beta - a mean / count`. A count of 0 is taken as 1.
 *
 * W 2, b 1, gamma 3, beta 0.5, sums 4 and 8 of count 2, epsilon 0: `a = 3 / 2`, `W' = 3`, `b' = 1.5 + 0.5 - 3 = -1`.
 * Throws where the numbers of outputs differ, or the result is not finite.
 */
export function mergeBatchNorm(
  conv: LayerParameters,
  blobs: BatchNormBlobs,
  epsilon: number,
  node: string,
): LayerParameters {
  const perOutput = weightsPerOutput(conv, node);
  checkChannels(blobs, conv.bias.length, node);
  const weight = new Float32Array(conv.weight.length);
  const bias = new Float32Array(conv.bias.length);
  for (let output = 0; output < bias.length; output += 1) {
    const { factor, beta, offset } = channelOf(blobs, output, epsilon, node);
    for (let at = output * perOutput; at < (output + 1) * perOutput; at += 1) {
      weight[at] = (conv.weight[at] ?? 0) * factor;
    }
    bias[output] = factor * (conv.bias[output] ?? 0) + beta - offset;
  }
  return { weight, bias };
}

function checkChannels(blobs: BatchNormBlobs, outputs: number, node: string): void {
  for (const blob of [blobs.mean, blobs.variance, blobs.gamma, blobs.beta]) {
    if (blob === undefined || blob.length === outputs) continue;
    throw inputError("the batch norm has another number of channels than the convolution", {
      node,
      expected: `${outputs}`,
      got: `${blob.length}`,
    });
  }
}

/** `a`, `beta` and `a mean / count` of one output. */
function channelOf(
  { mean, variance, count, gamma, beta }: BatchNormBlobs,
  output: number,
  epsilon: number,
  node: string,
): { readonly factor: number; readonly beta: number; readonly offset: number } {
  const n = count === 0 ? 1 : count;
  const factor = (gamma?.[output] ?? 1) / Math.sqrt((variance[output] ?? 0) / n + epsilon);
  const offset = (factor * (mean[output] ?? 0)) / n;
  if (Number.isFinite(factor) && Number.isFinite(offset)) {
    return { factor, beta: beta?.[output] ?? 0, offset };
  }
  throw inputError("statistics of the batch norm are no numbers, or a variance is negative", {
    node,
    got: `mean ${mean[output]}, variance ${variance[output]}, count ${n} in channel ${output}`,
  });
}
