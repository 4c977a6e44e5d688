/**
 * `inlay quantize`: calibrates, quantizes, proves and writes. What is measured is read back from the
 * bytes that are written.
 */
import { layeredTargetNamed, qdqTargetNamed } from "../chips/registry.ts";
import type { Dataset } from "../data/dataset.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import { lowerToOnnx } from "../formats/onnx/lower.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import type { Graph } from "../ir/graph.ts";
import { verify } from "../ir/verify.ts";
import { cutHost } from "../passes/cut-host.ts";
import { type Calibration, calibrate, channelMeans } from "../quantize/calibrate.ts";
import { layerFacts } from "../quantize/layer-facts.ts";
import type { Range, RangeFormat } from "../quantize/observers/statistics.ts";
import { planQuantization, type QuantizePlan, wantedValues } from "../quantize/plan.ts";
import {
  activationFormat,
  quantizeGraph,
  type ValueStatistics,
} from "../quantize/quantize-graph.ts";
import { compareReport } from "../report/compare.ts";
import type { ConvertReport } from "../report/convert.ts";
import type { CompareReport, QuantizeReport } from "../report/reports.ts";
import { classify, countChanged } from "../run/classify.ts";
import { checkPreprocessing } from "../run/preprocess-check.ts";
import { takesAnyBatch } from "../run/session.ts";
import { simulationOf } from "../run/simulate.ts";
import type { Target } from "../target/target.ts";
import { calibrateReport, chosenRanges } from "./calibrate.node.ts";
import { someOf } from "./chip-pictures.node.ts";
import { compareRows } from "./compare.node.ts";
import { defaultThresholdDb } from "./defaults.ts";
import { evaluateReport, warnAboutLabels } from "./evaluate.node.ts";
import { floatName, floatNetwork, loadModel, modelName, quantizedName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { JobContext, QuantizeJob } from "./options.ts";
import { openPictures, type WarningLog, warningLog } from "./pictures.node.ts";
import { quantizeLayered } from "./quantize-layered.node.ts";
import {
  type BothAccuracies,
  type QuantizeResults,
  quantizeReport,
  writeResults,
} from "./quantize-output.node.ts";

/** Pictures that the layer-by-layer comparison in the report runs on. */
const comparedPictures = 16;

/** Does the whole job and writes `job.out`; nothing is written when a step fails. */
export function quantizeJob(job: QuantizeJob, context: JobContext): Promise<QuantizeReport> {
  return located(job.model, () => quantizeModel(job, qdqTargetNamed(job.target), context));
}

/** The same for a chip of major layers. */
export function quantizeChipJob(job: QuantizeJob, context: JobContext): Promise<ConvertReport> {
  const target = layeredTargetNamed(job.target);
  return located(job.model, () => quantizeLayered(job, target, context));
}

async function quantizeModel(
  job: QuantizeJob,
  target: Target,
  context: JobContext,
): Promise<QuantizeReport> {
  const log = warningLog(context);
  const model = await loadModel(job.model, { onWarning: log.add, inputShape: context.inputShape });
  const whole = verify(floatNetwork(model), "canonical");
  const float = cutHost(whole);
  if (float !== whole) warnAboutHost(float, log);
  const dataset = await openPictures(job.calibrate, context, log.add);
  const evaluated = job.evaluate && (await openPictures(job.evaluate, context, log.add));
  const runtime = await nodeRuntime(context);
  const network = { imported: model.graph, float };
  await checkPreprocessing(network, dataset, job.preprocess, runtime, log.add);
  const plan = planQuantization(float, target);
  warnAboutPlan(plan, dataset, log);
  const calibration = await calibrate(float, wantedValues(plan), dataset, job.preprocess, runtime, {
    method: job.method,
    everyPixel: job.everyPixel,
    onProgress: context.onProgress,
    onWarning: log.add,
  });
  const { activations } = job.options;
  const format: RangeFormat = { number: activationFormat(target, job.options), ...activations };
  const ranges = chosenRanges(float, calibration, job.method, format);
  const statistics = valueStatistics(calibration, ranges);
  const quantized = quantizeGraph(float, plan, target, statistics, job.options);
  const files = encodeNetworks(float, quantized.graph);
  const written = readOnnx({ name: quantizedName, bytes: files.quantized });
  const floatWritten = readOnnx({ name: floatName, bytes: files.float });
  const facts = layerFacts(float, plan, quantized);
  warnAboutAccumulators(facts, target, log);
  const graphs = { float: floatWritten, quantized: written };
  const compare = await compareSome(graphs, dataset, job, runtime, context, log);
  const accuracy = evaluated && (await evaluateBoth(graphs, evaluated, job, runtime, context, log));
  const about = { ...job, images: job.calibrate, name: modelName(model) };
  const results: QuantizeResults = {
    model,
    float,
    plan,
    quantized,
    facts,
    calibration,
    calibrate: calibrateReport(float, calibration, about, ranges, context, log),
    compare,
    ...(accuracy && { accuracy }),
    files,
    engine: runtime.version,
  };
  const report = quantizeReport(job, results, log);
  await writeResults(job, results, report, context);
  return report;
}

function warnAboutHost({ outputs }: Graph, log: WarningLog): void {
  log.add({
    id: "ends-before-host",
    message: `DetectionOutput has no ONNX form: the written networks end before it and give ${outputs.map(({ name }) => name).join(", ")}`,
  });
}

function warnAboutPlan(plan: QuantizePlan, dataset: Dataset, log: WarningLog): void {
  if (plan.layers.length === 0) {
    log.add({
      id: "nothing-to-quantize",
      message: "the network has no convolution or fully connected layer with constant weights",
    });
  }
  if (dataset.samples.length < 10) {
    log.add({
      id: "few-pictures",
      message: `${dataset.samples.length} calibration pictures are few; 100 to 250 are usual`,
      where: dataset.source,
    });
  }
}

function warnAboutAccumulators(
  facts: QuantizeResults["facts"],
  target: Target,
  log: WarningLog,
): void {
  for (const { name, op, accumulatorBits } of facts) {
    if (accumulatorBits <= target.accumulatorBits) continue;
    log.add({
      id: "accumulator",
      message: `the largest sum needs ${accumulatorBits} bits, the accumulator has ${target.accumulatorBits}: it may overflow`,
      where: `${op} "${name}"`,
    });
  }
}

function valueStatistics(
  calibration: Calibration,
  ranges: ReadonlyMap<string, Range>,
): ReadonlyMap<string, ValueStatistics> {
  return new Map(
    [...calibration.values].map(([id, observed]) => {
      const range = ranges.get(id) ?? { min: 0, max: 0 };
      const means = channelMeans(observed, calibration.samples);
      return [id, { lo: range.min, hi: range.max, means }];
    }),
  );
}

function encodeNetworks(float: Graph, quantized: Graph): QuantizeResults["files"] {
  const batch = takesAnyBatch(float) ? ("symbolic" as const) : 1;
  const encode = (graph: Graph): Uint8Array =>
    lowerToOnnx(graph, { batch, outputNames: "outputs" });
  return { float: encode(float), quantized: encode(quantized) };
}

type Graphs = { readonly float: Graph; readonly quantized: Graph };

async function compareSome(
  graphs: Graphs,
  dataset: Dataset,
  job: QuantizeJob,
  runtime: Runtime,
  context: JobContext,
  log: WarningLog,
): Promise<CompareReport> {
  const some = someOf(dataset, comparedPictures);
  const rows = await compareRows(graphs, some, job.preprocess, runtime, context.onProgress);
  const report = compareReport(rows, {
    model: graphs.float.name,
    images: job.calibrate.path,
    samples: some.samples.length,
    thresholdDb: defaultThresholdDb,
    warnings: [],
  });
  if (report.firstBelow !== null) {
    log.add({
      id: "low-sqnr",
      message: `quantization noise is above 1/${Math.round(10 ** (defaultThresholdDb / 10))} of the signal from here on (below ${defaultThresholdDb} dB)`,
      where: `"${report.firstBelow.name}"`,
    });
  }
  return report;
}

async function evaluateBoth(
  graphs: Graphs,
  dataset: Dataset,
  job: QuantizeJob,
  runtime: Runtime,
  context: JobContext,
  log: WarningLog,
): Promise<BothAccuracies> {
  const run = (graph: Graph, label: string) =>
    classify(graph, dataset, job.preprocess, runtime, {
      onProgress: context.onProgress,
      onWarning: log.add,
      label,
    });
  const float = await run(graphs.float, "evaluate float");
  warnAboutLabels(float, job.evaluate?.path ?? "", log);
  const quantized = await run(simulationOf(graphs.quantized).lowered, "evaluate quantized");
  const changedImages = countChanged(float.predictions, quantized.predictions);
  const about = {
    model: graphs.float.name,
    images: job.evaluate?.path ?? "",
    preprocess: job.preprocess,
  };
  const percent = (100 * changedImages) / Math.max(1, float.predictions.length);
  return {
    float: evaluateReport(float, about, false, context, log),
    quantized: {
      ...evaluateReport(quantized, about, true, context, log),
      changed: { count: changedImages, percent },
    },
    changedImages,
  };
}
