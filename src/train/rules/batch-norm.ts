/**
 * Gradients of batch norms: by the batch's statistics, whose gradient goes through mean and variance too, and by stored
 * ones, which are constants.
 */
import { float, int } from "../../formats/onnx/attribute.ts";
import { lowerBatchNorm } from "../../formats/onnx/lower-norm.ts";
import type { Node } from "../../ir/ops.ts";
import type { BatchStatistics } from "../../ir/training.ts";
import { elementCount } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";

export const batchNorm: TrainRule<"batchNorm"> = (node, tape) => {
  const statistics = tape.statisticsOf(node.id);
  return statistics === undefined ? byStored(node, tape) : byBatch(node, statistics, tape);
};

/** `y = (x - mean) / sqrt(variance + epsilon) * gamma + beta`: an affine function of x. */
function byStored(node: Node<"batchNorm">, tape: Tape): Backward {
  lowerBatchNorm(node, tape);
  const [x = "", mean = "", variance = "", gamma] = node.inputs;
  return (dy, [wantsX, , , wantsGamma, wantsBeta]) => {
    const inverse = inverseDeviation(tape, variance, node.attrs.epsilon);
    const factor = gamma === undefined ? inverse : tape.mul(gamma, inverse);
    const byValue = (): string => tape.mul(dy, normalized(tape, x, mean, inverse));
    return [
      wantsX ? tape.mul(dy, channels(tape, factor, x)) : undefined,
      undefined,
      undefined,
      wantsGamma ? sumByChannel(tape, byValue(), x) : undefined,
      wantsBeta ? sumByChannel(tape, dy, x) : undefined,
    ];
  };
}

/**
 * With h = normalized x, `dx = gamma / deviation * (dy - mean(dy) - h * mean(dy * h))`, means over all values of a
 * channel.
 */
function byBatch(node: Node<"batchNorm">, statistics: BatchStatistics, tape: Tape): Backward {
  const [x = "", , , gamma, beta] = node.inputs;
  const { y, mean, variance } = emitBatchNorm(tape, node, statistics, { gamma, beta });
  tape.emit("Identity", [y], {}, node.id);
  keepSums(tape, x, statistics, { mean, variance });
  return (dy, [wantsX, , , wantsGamma, wantsBeta]) => {
    const inverse = inverseDeviation(tape, variance, node.attrs.epsilon);
    const h = gamma === undefined ? node.id : normalized(tape, x, mean, inverse);
    const sum = sumByChannel(tape, dy, x);
    const sumByH = sumByChannel(tape, tape.mul(dy, h), x);
    const factor = gamma === undefined ? inverse : tape.mul(gamma, inverse);
    const count = tape.number(perChannel(tape, x));
    const average = (total: string): string => channels(tape, tape.div(total, count), x);
    const moved = (): string => tape.sub(tape.sub(dy, average(sum)), tape.mul(h, average(sumByH)));
    return [
      wantsX ? tape.mul(moved(), channels(tape, factor, x)) : undefined,
      undefined,
      undefined,
      wantsGamma ? sumByH : undefined,
      wantsBeta ? sum : undefined,
    ];
  };
}

/** A batch's mean and variance (divided by the count), each [c]. */
export type Moments = { readonly mean: string; readonly variance: string };

/** x normalized by the batch's own statistics, then `* gamma + beta` (1 and 0 where undefined). */
export function emitBatchNorm(
  tape: Tape,
  node: Node<"batchNorm">,
  { layer }: BatchStatistics,
  scale: { readonly gamma: string | undefined; readonly beta: string | undefined },
): Moments & { readonly y: string } {
  const [x = ""] = node.inputs;
  if (!tape.kernels.manyOutputs) return emitByMoments(tape, x, node.attrs.epsilon, scale);
  const { gamma, beta } = scale;
  const count = tape.shapeOf(x)[1] ?? 1;
  const filled = (value: number): string =>
    tape.initializer(float32([count], new Float32Array(count).fill(value)), `${node.id}/filled`);
  // ONNX Runtime writes the new running statistics over those that come in, even where these are constants that others
  // read. So each norm has its own, computed ones. Nothing of them is kept: what comes out are the batch's.
  const running = [0, 1].map((index) => tape.mul(tape.state(`${layer}/${index}`), tape.number(0)));
  const inputs = [x, gamma ?? filled(1), beta ?? filled(0), ...running];
  const attributes = {
    epsilon: float(node.attrs.epsilon),
    momentum: float(0),
    training_mode: int(1),
  };
  const suffixes = ["normalized", "mean", "variance"];
  const [y = "", mean = "", variance = ""] = tape.emitMany(
    "BatchNormalization",
    inputs,
    attributes,
    suffixes,
  );
  return { y, mean, variance };
}

/** The same, for engines whose `BatchNormalization` has no batch statistics. */
function emitByMoments(
  tape: Tape,
  x: string,
  epsilon: number,
  { gamma, beta }: { readonly gamma: string | undefined; readonly beta: string | undefined },
): Moments & { readonly y: string } {
  const share = tape.number(1 / perChannel(tape, x));
  const mean = tape.mul(sumByChannel(tape, x, x), share);
  const centered = tape.sub(x, channels(tape, mean, x));
  const variance = tape.mul(sumByChannel(tape, tape.mul(centered, centered), x), share);
  const inverse = inverseDeviation(tape, variance, epsilon);
  const factor = gamma === undefined ? inverse : tape.mul(gamma, inverse);
  const scaled = tape.mul(centered, channels(tape, factor, x));
  const y = beta === undefined ? scaled : tape.add(scaled, channels(tape, beta, x));
  return { y, mean, variance };
}

/** What Caffe's layer keeps: see `BatchStatistics`. */
export function keepSums(
  tape: Tape,
  x: string,
  { layer, fraction }: BatchStatistics,
  { mean, variance }: Moments,
): void {
  const m = perChannel(tape, x);
  const unbiased = m > 1 ? tape.mul(variance, tape.number(m / (m - 1))) : variance;
  const one = tape.initializer(float32([1], [1]), `${layer}/one`);
  for (const [index, value] of [mean, unbiased, one].entries()) {
    const key = `${layer}/${index}`;
    tape.update(key, tape.add(tape.mul(tape.state(key), tape.number(fraction)), value));
  }
}

export function inverseDeviation(tape: Tape, variance: string, epsilon: number): string {
  const deviation = tape.emit("Sqrt", [tape.add(variance, tape.number(epsilon))]);
  return tape.emit("Reciprocal", [deviation]);
}

/** How many values a channel of x has. */
export function perChannel(tape: Tape, x: string): number {
  const shape = tape.shapeOf(x);
  return elementCount(shape) / (shape[1] ?? 1);
}

/** Sums [c] of a value of x's shape. */
export function sumByChannel(tape: Tape, value: string, x: string): string {
  const axes = tape.shapeOf(x).flatMap((_, axis) => (axis === 1 ? [] : [axis]));
  return tape.sum(value, axes);
}

/** A name for a value [c], shaped so that it stands along axis 1 of x. */
export function channels(tape: Tape, value: string, x: string): string {
  const { length } = tape.shapeOf(x);
  const [, count = 1] = tape.shapeOf(x);
  return tape.reshape(value, [count, ...new Array<number>(length - 2).fill(1)]);
}

function normalized(tape: Tape, x: string, mean: string, inverse: string): string {
  return tape.mul(tape.sub(x, channels(tape, mean, x)), channels(tape, inverse, x));
}
