/**
 * Losses and measures of a network at test time, with the weights of a training state, over some batches of pictures:
 * what Caffe's solver and `caffe test` report.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Runtime, Values } from "../engine/runtime.ts";
import { inputError } from "../error.ts";
import type { Loss, TrainingNetwork } from "../ir/training.ts";
import { withState } from "../ir/training-state.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { openSession } from "../run/session.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import type { FedNetwork, PictureSource } from "./fed-network.ts";
import { labelCheck } from "./label-checks.ts";
import { defineLoss } from "./losses/losses.ts";
import { type Count, measure } from "./measures.ts";
import type { NamedValue } from "./train-loop.ts";

export type EvaluationData = PictureSource & {
  /** As many whole batches as are to be looked at. */
  readonly dataset: Dataset;
  /** Pictures per batch: the network's own. */
  readonly batch: number;
};

export type EvaluateOptions = {
  /** The outputs of every batch, from 0. */
  readonly onBatch?: ((batch: number, outputs: readonly NamedValue[]) => void) | undefined;
  /** Asked between batches: true gives up. */
  readonly shouldStop?: (() => boolean) | undefined;
  readonly label?: string;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

export type Evaluated = {
  readonly batches: number;
  readonly samples: number;
  /** Mean over the batches of `sum(weight * loss)`. */
  readonly loss: number;
  /** Means over the batches, in Caffe's order. */
  readonly outputs: readonly NamedValue[];
  /** Of the accuracies, over all batches. */
  readonly counts: readonly Count[];
};

/**
 * Runs the network with the state's values over the data. Gives undefined where it was told to stop. Throws an input
 * error at a label that is out of range, or missing where the network reads labels.
 */
export async function evaluateNetwork(
  fed: FedNetwork,
  state: ReadonlyMap<string, Tensor<"float32">>,
  data: EvaluationData,
  runtime: Runtime,
  options: EvaluateOptions = {},
): Promise<Evaluated | undefined> {
  const { network } = fed;
  const { dataset, preprocess, size, batch } = data;
  const taps = tapsOf(network);
  const session = await openSession(withState(network, state), runtime, { batch, taps });
  const check = labelCheck(fed);
  const sums = createSums(network);
  const reading = { batch, readAhead: 2, onWarning: options.onWarning };
  try {
    for await (const { images, labels, names } of batches(dataset, preprocess, size, reading)) {
      if (options.shouldStop?.() === true) return undefined;
      const feeds = new Map<string, Tensor>([[fed.pictures, images]]);
      if (fed.label !== undefined) {
        const values = labelValues(labels, names, dataset.source);
        check(values, (at) => `${dataset.source}: ${names[at] ?? ""}`);
        feeds.set(fed.label, float32([values.length], values));
      }
      const results = await session.run(feeds);
      const outputs = sums.add(new Map([...feeds, ...results]));
      options.onBatch?.(sums.batches() - 1, outputs);
      const done = sums.batches() * batch;
      options.onProgress?.({
        ...{ label: options.label ?? "test", done, total: dataset.samples.length },
      });
    }
  } finally {
    await session.release();
  }
  return { ...sums.means(), samples: dataset.samples.length };
}

/** Ids that losses and accuracies read, without what is fed. */
function tapsOf({ graph, losses, accuracies }: TrainingNetwork): readonly string[] {
  const fed = new Set(graph.nodes.flatMap(({ op, id }) => (op === "input" ? [id] : [])));
  const read = [
    ...losses.flatMap(readBy),
    ...accuracies.flatMap(({ scores, label }) => [scores, label]),
  ];
  return [...new Set(read)].filter((id) => id !== undefined).filter((id) => !fed.has(id));
}

function readBy(loss: Loss): readonly (string | undefined)[] {
  switch (loss.kind) {
    case "softmax":
    case "hinge":
      return [loss.scores, loss.label];
    case "distillation":
      return [loss.scores, loss.teacher];
    case "sigmoid":
      return [loss.scores, loss.target];
    case "euclidean":
      return [loss.a, loss.b];
    case "smoothL1":
      return [loss.a, loss.b, loss.inside, loss.outside];
  }
}

function labelValues(
  labels: readonly (number | undefined)[],
  names: readonly string[],
  source: string,
): Float32Array {
  const bare = labels.indexOf(undefined);
  if (bare < 0) return Float32Array.from(labels, Number);
  throw inputError("a sample has no label", { where: `${source}: ${names[bare] ?? ""}` });
}

type Sums = {
  readonly batches: () => number;
  /** Adds a batch and gives its outputs. */
  readonly add: (values: Values) => readonly NamedValue[];
  readonly means: () => Omit<Evaluated, "samples">;
};

function createSums(network: TrainingNetwork): Sums {
  let [count, loss] = [0, 0];
  let outputs: readonly NamedValue[] = [];
  let counts: readonly Count[] = [];
  return {
    batches: () => count,
    add: (values) => {
      const losses = network.losses.map((one) => defineLoss(one, values).value);
      const found = measure(network, losses, values);
      loss += losses.reduce((sum, one, at) => sum + one * (network.losses[at]?.weight ?? 0), 0);
      outputs = found.outputs.map((one, at) => ({
        ...one,
        value: one.value + (outputs[at]?.value ?? 0),
      }));
      counts = found.counts.map(({ name, correct, total }, at) => ({
        name,
        correct: correct + (counts[at]?.correct ?? 0),
        total: total + (counts[at]?.total ?? 0),
      }));
      count += 1;
      return found.outputs;
    },
    means: () => ({
      ...{ batches: count, loss: loss / count, counts },
      outputs: outputs.map((one) => ({ ...one, value: one.value / count })),
    }),
  };
}
