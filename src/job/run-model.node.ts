/**
 * `inlay run MODEL PICTURES`: what a converted network says of pictures, by its exact simulation.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import { inputError, usageError, workError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { PredictedClass, PredictReport } from "../report/predict.ts";
import { batchSize } from "../run/classify.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type ChipModel, waivedRules } from "./chip/chip-model.ts";
import { simulationGraph } from "./chip/simulation-graph.ts";
import { modelFileAt, modelPreprocess, readChipModel } from "./chip-model.node.ts";
import { located } from "./located.ts";
import type { JobContext, RunModelJob } from "./options.ts";
import { openPictures, warningLog } from "./pictures.node.ts";

/** The best classes of every picture. An input error where the network gives no scores. */
export function runModelJob(job: RunModelJob, context: JobContext): Promise<PredictReport> {
  return located([job.model], () => runModel(job, context));
}

async function runModel(job: RunModelJob, context: JobContext): Promise<PredictReport> {
  const log = warningLog(context);
  const path = await modelFileAt(job.model);
  if (path === undefined) {
    throw usageError("not a converted network", {
      where: job.model,
      expected: "NAME.model, or the folder of one",
    });
  }
  const model = await readChipModel(path, log.add);
  const graph = simulationGraph(model, { accumulator: job.accumulator });
  const classes = classCount(graph);
  checkLabels(model, classes, path);
  const dataset = await openPictures(job.images, context, log.add);
  const runtime = await nodeRuntime(context);
  const preprocess = modelPreprocess(model, undefined);
  const scenes = { dataset, preprocess, runtime, context };
  const waived = waivedRules(model);
  const pictures = await predictions(graph, model, classes, scenes);
  return {
    schema: "inlay.predict/1",
    model: model.name,
    target: model.target.name,
    images: job.images.path,
    deployable: waived.length === 0,
    waived,
    accumulator: job.accumulator ?? null,
    pictures,
    warnings: log.all(),
  };
}

/** The network's outputs per picture: one score per class. */
function classCount(graph: Graph): number {
  const [output] = graph.outputs;
  const shape = inferTypes(graph).get(output?.id ?? "")?.shape ?? [];
  const [, classes = 0, ...rest] = shape;
  if (classes >= 1 && rest.every((size) => size === 1)) return classes;
  throw inputError("the network gives no scores of classes", {
    node: `output "${output?.name ?? ""}"`,
    expected: "one score per class",
    got: formatShape(shape),
  });
}

function checkLabels({ labels }: ChipModel, classes: number, where: string): void {
  if (labels === undefined || labels.length === classes) return;
  throw inputError("the model's labels are not as many as its outputs", {
    where,
    expected: `${classes}`,
    got: `${labels.length}`,
  });
}

type Scene = {
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly context: JobContext;
};

async function predictions(
  graph: Graph,
  model: ChipModel,
  classes: number,
  { dataset, preprocess, runtime, context }: Scene,
): Promise<PredictReport["pictures"]> {
  const [output] = graph.outputs;
  const ready = withPictureInput(graph, preprocess);
  const session = await openSession(ready, runtime);
  const [input = ""] = session.inputs;
  const pictures: PredictReport["pictures"][number][] = [];
  try {
    const reading = { batch: batchSize(graph), readAhead: 2, onWarning: context.onWarning };
    const size = pictureSize(graph);
    for await (const { images, names, labels } of batches(dataset, preprocess, size, reading)) {
      const results = await session.run(new Map([[input, images]]));
      const scores = results.get(output?.id ?? "");
      if (scores === undefined) throw workError("the scores were not computed");
      for (const [at, name] of names.entries()) {
        const best = bestClasses(scores, at * classes, classes, model);
        pictures.push({ name, label: labels[at] ?? null, best });
      }
      const { length: done } = pictures;
      context.onProgress?.({ label: "simulate", done, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return pictures;
}

const shown = 5;

/** Five at most, best first; equal scores by rising class. */
function bestClasses(
  scores: Tensor,
  start: number,
  classes: number,
  { labels }: ChipModel,
): readonly PredictedClass[] {
  const all = Array.from({ length: classes }, (_, index) => ({
    index,
    score: Number(scores.data[start + index]),
  }));
  return all
    .toSorted((a, b) => b.score - a.score || a.index - b.index)
    .slice(0, shown)
    .map(({ index, score }) => {
      const label = labels?.[index];
      return { index, id: label?.id ?? null, name: label?.name ?? null, score };
    });
}
