/**
 * `inlay evaluate`: accuracy of a float network, or of the integer simulation of a quantized one.
 */
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Graph } from "../ir/graph.ts";
import { accuracyOf } from "../report/accuracy.ts";
import type { EvaluateReport } from "../report/reports.ts";
import { type Classified, classify, countHits } from "../run/classify.ts";
import { checkPreprocessing } from "../run/preprocess-check.ts";
import { simulationOf } from "../run/simulate.ts";
import { type ChipModel, waivedRules } from "./chip/chip-model.ts";
import { simulationGraph } from "./chip/simulation-graph.ts";
import { modelPreprocess } from "./chip-model.node.ts";
import { floatNetwork, type LoadedModel, loadModel, modelName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { EvaluateJob, JobContext } from "./options.ts";
import { openPictures, type WarningLog, warningLog } from "./pictures.node.ts";

/** Classifies the pictures and counts. */
export function evaluateJob(job: EvaluateJob, context: JobContext): Promise<EvaluateReport> {
  return located(job.model, () => evaluateModel(job, context));
}

async function evaluateModel(job: EvaluateJob, context: JobContext): Promise<EvaluateReport> {
  const log = warningLog(context);
  const model = await loadModel(job.model, { onWarning: log.add, inputShape: context.inputShape });
  const preprocess = preprocessOf(model, job);
  const dataset = await openPictures(job.images, context, log.add);
  const runtime = await nodeRuntime(context);
  const graph = runnable(model, job);
  const isSimulated = model.manifest !== undefined || model.chip !== undefined;
  if (!isSimulated) {
    const network = { imported: model.graph, float: graph };
    await checkPreprocessing(network, dataset, preprocess, runtime, log.add);
  }
  const classified = await classify(graph, dataset, preprocess, runtime, {
    onProgress: context.onProgress,
    onWarning: log.add,
  });
  warnAboutLabels(classified, job.images.path, log);
  const about = { model: modelName(model), images: job.images.path, preprocess };
  const report = evaluateReport(classified, about, isSimulated, context, log);
  return { ...report, deployable: model.chip === undefined ? null : isDeployable(model.chip) };
}

function preprocessOf(model: LoadedModel, { preprocess }: EvaluateJob): Preprocess {
  if (model.chip !== undefined) return modelPreprocess(model.chip, preprocess);
  return preprocess ?? model.manifest?.preprocess ?? defaultPreprocess;
}

function isDeployable(chip: ChipModel): boolean {
  return waivedRules(chip).length === 0;
}

/** What the engine runs: the float network, or the exact lowering of the integers. */
function runnable(model: LoadedModel, { accumulator }: EvaluateJob): Graph {
  if (model.chip !== undefined) return simulationGraph(model.chip, { accumulator });
  return model.manifest === undefined ? floatNetwork(model) : simulationOf(model.graph).lowered;
}

/** A label that the network has no score for is never right: the list counts from 1, or belongs to other data. */
export function warnAboutLabels(
  { predictions, classes }: Classified,
  images: string,
  log: WarningLog,
): void {
  const beyond = predictions.filter(({ label }) => label !== undefined && label >= classes);
  const [first] = beyond;
  if (first === undefined) return;
  log.add({
    id: "label-range",
    message: `${beyond.length} labels are beyond the network's ${classes} classes, first ${first.label} of ${first.name}; labels count from 0`,
    where: images,
  });
}

type About = { readonly model: string; readonly images: string; readonly preprocess: Preprocess };

export function evaluateReport(
  { predictions, classes, secondsPerImage }: Classified,
  { model, images, preprocess }: About,
  simulated: boolean,
  context: JobContext,
  log: WarningLog,
): EvaluateReport {
  const { labelled, top1, top5 } = countHits(predictions);
  return {
    schema: "inlay.evaluate/1",
    model,
    images,
    samples: predictions.length,
    labelled,
    classes,
    top1: labelled === 0 ? null : accuracyOf(top1, labelled),
    top5: labelled === 0 || classes <= 5 ? null : accuracyOf(top5, labelled),
    secondsPerImage,
    changed: null,
    preprocessing: { ...preprocess },
    seed: context.seed,
    threads: context.threads,
    device: context.device,
    simulated,
    deployable: null,
    warnings: log.all(),
  };
}
