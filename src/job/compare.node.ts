/**
 * `inlay compare`: a quantized network against its float original, layer by layer.
 */
import { join } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import { inputError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import type { OnProgress } from "../notice.ts";
import { compareReport } from "../report/compare.ts";
import { decibels } from "../report/json.ts";
import type { CompareLayer, CompareReport } from "../report/reports.ts";
import { compareLayers } from "../run/compare-layers.ts";
import { cosine, type LayerError, percentOf, sqnrDb } from "../run/layer-error.ts";
import { floatName, loadModel, modelName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { CompareJob, JobContext } from "./options.ts";
import { openPictures, warningLog } from "./pictures.node.ts";

/** Compares what `quantize` wrote with the float network beside it. */
export function compareJob(job: CompareJob, context: JobContext): Promise<CompareReport> {
  return located([job.out], () => compareFolder(job, context));
}

async function compareFolder(job: CompareJob, context: JobContext): Promise<CompareReport> {
  const log = warningLog(context);
  const model = await loadModel([job.out], { onWarning: log.add });
  if (model.chip !== undefined) {
    throw inputError("a chip's model is compared bit by bit, not by its noise", {
      where: job.out,
      hint: "Run inlay evaluate OUT --bit-match PICTURES",
    });
  }
  if (model.manifest === undefined) {
    throw inputError("not a folder that inlay quantize wrote", { where: job.out });
  }
  const float = await loadModel([join(job.out, floatName)], { onWarning: log.add });
  const dataset = await openPictures(job.images, context, log.add);
  const preprocess = job.preprocess ?? model.manifest.preprocess;
  const runtime = await nodeRuntime(context);
  const layers = await compareRows(
    { float: float.graph, quantized: model.graph },
    dataset,
    preprocess,
    runtime,
    context.onProgress,
  );
  return compareReport(layers, {
    model: modelName(model),
    images: job.images.path,
    samples: dataset.samples.length,
    thresholdDb: job.thresholdDb,
    warnings: log.all(),
  });
}

/** One report row per compared value, in network order. */
export async function compareRows(
  graphs: { readonly float: Graph; readonly quantized: Graph },
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  onProgress?: OnProgress,
): Promise<readonly CompareLayer[]> {
  const { float, quantized } = graphs;
  const rows = await compareLayers(float, quantized, dataset, preprocess, runtime, onProgress);
  return rows.map(({ name, op, activation, weight }) => {
    const own = summary(activation);
    const learnables = weight === null ? undefined : summary(weight);
    return {
      name,
      op,
      ...own,
      weightCosine: learnables?.cosine ?? null,
      weightSqnrDb: learnables?.sqnrDb ?? null,
      weightMaxAbsError: learnables?.maxAbsError ?? null,
      weightSaturatedPercent: learnables?.saturatedPercent ?? null,
      weightUnderflowPercent: learnables?.underflowPercent ?? null,
    };
  });
}

function summary(error: LayerError) {
  return {
    cosine: cosine(error),
    sqnrDb: decibels(sqnrDb(error)),
    maxAbsError: error.count === 0 ? null : error.maxAbsError,
    saturatedPercent: percentOf(error.saturated, error),
    underflowPercent: percentOf(error.underflowed, error),
  };
}
