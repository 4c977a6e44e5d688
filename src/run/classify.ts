/**
 * Runs a classifier over a data set and keeps, per picture, its five best classes.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { inputError, workError } from "../error.ts";
import type { Graph, Output } from "../ir/graph.ts";
import { hostIds } from "../ir/host.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { elementCount } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { pictureSize, withPictureInput } from "./prepare.ts";
import { openSession, takesAnyBatch } from "./session.ts";

export type Prediction = {
  readonly name: string;
  readonly label: number | undefined;
  /** Classes by falling score, five at most; equal scores by rising class. */
  readonly best: readonly number[];
};

export type ClassifyOptions = {
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
  readonly label?: string;
};

export type Classified = {
  readonly predictions: readonly Prediction[];
  /** Length of the score vector. */
  readonly classes: number;
  /** Wall time of the whole loop over the number of pictures, decoding included. */
  readonly secondsPerImage: number;
};

/** Pixels per batch: small pictures go in together, large ones alone. */
const pixelsPerBatch = 65_536;

/** A batch size that keeps small networks busy and large ones small in memory. */
export function batchSize(graph: Graph): number {
  const { height, width } = pictureSize(graph);
  if (!takesAnyBatch(graph)) return 1;
  return Math.min(64, Math.max(1, Math.floor(pixelsPerBatch / (height * width))));
}

/**
 * Classifies every picture. The first graph output holds the scores; a warning tells where there are
 * others. Throws an input error where it holds detections.
 */
export async function classify(
  graph: Graph,
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  options: ClassifyOptions = {},
): Promise<Classified> {
  const ready = withPictureInput(graph, preprocess);
  const output = scoreOutput(ready, options.onWarning);
  const session = await openSession(ready, runtime);
  const [inputId = ""] = session.inputs;
  const predictions: Prediction[] = [];
  let classes = 0;
  const started = performance.now();
  try {
    const size = pictureSize(graph);
    const reading = { batch: batchSize(graph), readAhead: 2, onWarning: options.onWarning };
    for await (const batch of batches(dataset, preprocess, size, reading)) {
      const results = await session.run(new Map([[inputId, batch.images]]));
      const scores = results.get(output.id);
      if (scores === undefined) throw workError(`output "${output.name}" was not computed`);
      const count = batch.names.length;
      classes = elementCount(scores.shape) / count;
      for (let at = 0; at < count; at += 1) {
        const best = bestClasses(scores, at * classes, classes);
        predictions.push({ name: batch.names[at] ?? "", label: batch.labels[at], best });
      }
      options.onProgress?.({
        label: options.label ?? "evaluate",
        done: predictions.length,
        total: dataset.samples.length,
      });
    }
  } finally {
    await session.release();
  }
  const seconds = (performance.now() - started) / 1000;
  return { predictions, classes, secondsPerImage: seconds / Math.max(1, predictions.length) };
}

/** The output that is taken for scores; throws where there can be none. */
function scoreOutput(graph: Graph, onWarning: OnWarning | undefined): Output {
  const { outputs } = graph;
  const [output, ...others] = outputs;
  if (output === undefined) throw inputError("the network has no output");
  if (hostIds(graph).has(output.id)) {
    throw inputError("the network gives detections, not one score per class", {
      got: `output "${output.name}"`,
      hint: "Only classifiers can be evaluated so far",
    });
  }
  if (others.length > 0) {
    onWarning?.({
      id: "several-outputs",
      message: `the network has ${outputs.length} outputs; "${output.name}" is taken for the scores`,
    });
  }
  return output;
}

function bestClasses(scores: Tensor, start: number, classes: number): readonly number[] {
  const best: number[] = [];
  const at = (index: number): number => Number(scores.data[start + index]);
  for (let index = 0; index < classes; index += 1) {
    const rank = best.findIndex((other) => at(index) > at(other));
    if (rank >= 0) best.splice(rank, 0, index);
    else if (best.length < 5) best.push(index);
    if (best.length > 5) best.pop();
  }
  return best;
}

export type Hits = { readonly labelled: number; readonly top1: number; readonly top5: number };

/** How many labelled predictions have their label first, and among the first five. */
export function countHits(predictions: readonly Prediction[]): Hits {
  const labelled = predictions.filter(({ label }) => label !== undefined);
  return {
    labelled: labelled.length,
    top1: labelled.filter(({ label, best }) => best[0] === label).length,
    top5: labelled.filter(({ label, best }) => label !== undefined && best.includes(label)).length,
  };
}

/** Pictures whose best class differs between two runs over the same data. */
export function countChanged(a: readonly Prediction[], b: readonly Prediction[]): number {
  return a.filter((prediction, at) => prediction.best[0] !== b[at]?.best[0]).length;
}
