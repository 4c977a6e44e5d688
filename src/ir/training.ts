/**
 * A network in training: its graph, which constants of it are learned, what it is measured by. Values of its state
 * are named as Caffe stores them, `layer/0`, `layer/1`, ...: blob by blob.
 */

import type { Tensor } from "../tensor/tensor.ts";
import type { Graph } from "./graph.ts";

/** A learned blob. Several constants hold it where layers share their weights; its gradient is the sum of theirs. */
export type Parameter = {
  /** `conv1/0`: layer (the owner of shared weights) and index of the blob. */
  readonly key: string;
  /** The `const` nodes that hold it, in node order; at least one. All hold the same value. */
  readonly ids: readonly string[];
  /** Factor on the learning rate; 0 freezes the blob. */
  readonly lrMult: number;
  /** Factor on the weight decay. */
  readonly decayMult: number;
};

/**
 * A batch norm that takes its statistics from the batch. As Caffe does, it keeps sums: after each iteration
 * `sum = fraction * sum + statistic` and `count = fraction * count + 1`; the variance is first multiplied by
 * m / (m - 1), m values per channel. At test time the statistics are `sum / count` (0 where count is 0).
 */
export type BatchStatistics = {
  /** The batchNorm node; the constants that it reads hold the stored statistics. */
  readonly id: string;
  /** State keys are `layer/0` (mean, [c]), `layer/1` (variance, [c]) and `layer/2` (count, [1]). */
  readonly layer: string;
  readonly fraction: number;
  /** Initial values: sums of means and variances, float32 [c], and the count, float32 [1]. */
  readonly sums: readonly [Tensor<"float32">, Tensor<"float32">, Tensor<"float32">];
};

/** By what a sum over samples is divided. `valid` counts labels that are not ignored, `full` all of them. */
export type LossNormalization = "full" | "valid" | "batchSize" | "none";

/** Fields that all losses have. */
type LossBase = {
  /** The layer's name. */
  readonly layer: string;
  /** Name under which its value is reported: Caffe's top. */
  readonly name: string;
  /** Its factor in the sum that is minimized (`loss_weight`). */
  readonly weight: number;
};

/** Caffe's loss layers. Values are ids of graph nodes; labels are float32 inputs that hold integers. */
export type Loss = LossBase &
  (
    | {
        /** Softmax along `axis`, then the mean of `-log(max(p[label], FLT_MIN))`. */
        readonly kind: "softmax";
        readonly scores: string;
        readonly label: string;
        readonly axis: number;
        readonly ignoreLabel: number | undefined;
        readonly normalization: LossNormalization;
      }
    | {
        /**
         * What a teacher's scores say: `T^2 * sum(q * (log q - log p)) / n`, p and q the softmax along axis 1 of scores and
         * teacher's scores over T, n samples (Hinton, Vinyals, Dean 2015). The teacher gets no gradient.
         */
        readonly kind: "distillation";
        readonly scores: string;
        readonly teacher: string;
        readonly temperature: number;
      }
    | {
        /** Cross entropy of sigmoids, summed over all elements. */
        readonly kind: "sigmoid";
        readonly scores: string;
        readonly target: string;
        readonly ignoreLabel: number | undefined;
        readonly normalization: LossNormalization;
      }
    | {
        /** `sum((a - b)^2) / (2 * n)`; both sides get a gradient. */
        readonly kind: "euclidean";
        readonly a: string;
        readonly b: string;
      }
    | {
        /** `sum(max(0, 1 - s * x)) / n`, s = 1 for the label and -1 for the others; squares of them for L2. */
        readonly kind: "hinge";
        readonly scores: string;
        readonly label: string;
        readonly norm: "L1" | "L2";
      }
    | {
        /** `sum(d^2 / 2 where |d| < 1, else |d| - 1/2) / n`, with d = (a - b) * inside; then times outside. */
        readonly kind: "smoothL1";
        readonly a: string;
        readonly b: string;
        readonly inside: string | undefined;
        readonly outside: string | undefined;
      }
  );

/** The share of labels among the `topK` largest scores along `axis`; of equal scores the last counts as the largest. */
export type Accuracy = {
  readonly layer: string;
  readonly name: string;
  readonly scores: string;
  readonly label: string;
  readonly axis: number;
  readonly topK: number;
  readonly ignoreLabel: number | undefined;
  /** Name of a second top: accuracy by class. */
  readonly perClass: string | undefined;
};

export type TrainingNetwork = {
  /** Inputs are pictures and labels; outputs are the values that nothing but a loss or a measure reads. */
  readonly graph: Graph;
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly BatchStatistics[];
  /** Batch norms that read their stored statistics (`use_global_stats`, all at test time): state that no step changes. */
  readonly storedStatistics: readonly BatchStatistics[];
  readonly losses: readonly Loss[];
  readonly accuracies: readonly Accuracy[];
};
