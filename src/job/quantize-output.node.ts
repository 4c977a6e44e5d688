/**
 * The results of a quantization as reports, and the folder that holds them.
 */
import { join } from "node:path";
import { isMeanImage } from "../data/preprocess.ts";
import { workError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import type { Calibration } from "../quantize/calibrate.ts";
import type { LayerFacts } from "../quantize/layer-facts.ts";
import { binsPerSide, binWidth, type Histogram } from "../quantize/observers/histogram.ts";
import type { QuantizePlan } from "../quantize/plan.ts";
import type { Quantized } from "../quantize/quantize-graph.ts";
import { renderHtml } from "../report/html/page.ts";
import { inspectGraph } from "../report/inspect.ts";
import { toJson } from "../report/json.ts";
import type {
  CalibrateReport,
  CompareReport,
  EvaluateReport,
  JobReport,
  QuantizeLayer,
  QuantizeReport,
  Histogram as ReportHistogram,
} from "../report/reports.ts";
import { readFileBounded, writeFolderAtomic } from "./files.node.ts";
import { hashBytes, hashFile, hashImages } from "./hash.node.ts";
import { floatName, type LoadedModel, modelName, quantizedName } from "./load-model.node.ts";
import { manifestBase, manifestName, manifestText } from "./manifest.node.ts";
import type { InputHash, Manifest } from "./manifest.ts";
import type { JobContext, QuantizeJob } from "./options.ts";
import type { WarningLog } from "./pictures.node.ts";

export type BothAccuracies = {
  readonly float: EvaluateReport;
  readonly quantized: EvaluateReport;
  readonly changedImages: number;
};

/** All that the steps of a quantization gave. */
export type QuantizeResults = {
  readonly model: LoadedModel;
  readonly float: Graph;
  readonly plan: QuantizePlan;
  readonly quantized: Quantized;
  readonly facts: readonly LayerFacts[];
  readonly calibration: Calibration;
  readonly calibrate: CalibrateReport;
  readonly compare: CompareReport;
  readonly accuracy?: BothAccuracies;
  /** The networks as bytes of ONNX files. */
  readonly files: { readonly float: Uint8Array; readonly quantized: Uint8Array };
  /** Name and version of the engine. */
  readonly engine: string;
};

const rangesName = "ranges.json";
const reportName = "report.json";
const htmlName = "report.html";

export function quantizeReport(
  job: QuantizeJob,
  results: QuantizeResults,
  log: WarningLog,
): QuantizeReport {
  const { accuracy } = results;
  const { method, options } = job;
  return {
    schema: "inlay.quantize/1",
    model: modelName(results.model),
    out: job.out,
    files: [quantizedName, floatName, rangesName, reportName, htmlName, manifestName],
    target: job.target,
    options: { method, ...options },
    layers: results.facts.map((facts) => quantizeLayer(facts, results.compare)),
    size: {
      floatBytes: results.files.float.length,
      quantizedBytes: results.files.quantized.length,
    },
    accuracy:
      accuracy?.float.top1 && accuracy.quantized.top1
        ? {
            images: accuracy.float.images,
            samples: accuracy.float.samples,
            float: accuracy.float.top1,
            quantized: accuracy.quantized.top1,
            changedImages: accuracy.changedImages,
          }
        : null,
    floatLayers: results.plan.floatLayers,
    warnings: log.all(),
  };
}

function quantizeLayer(facts: LayerFacts, compare: CompareReport): QuantizeLayer {
  const row = compare.layers.find((layer) => layer.name === facts.name);
  const scales = facts.weightScales;
  return {
    name: facts.name,
    op: facts.op,
    weightBits: 8,
    weightScale: {
      min: scales.reduce((a, b) => Math.min(a, b), Infinity),
      max: scales.reduce((a, b) => Math.max(a, b), 0),
      count: scales.length,
    },
    inputScale: facts.input.scale,
    inputZeroPoint: facts.input.zero,
    outputScale: facts.output?.scale ?? null,
    outputZeroPoint: facts.output?.zero ?? null,
    accumulatorBits: facts.accumulatorBits,
    exact: facts.planes === 1 ? "one plane" : "planes",
    weightSqnrDb: row?.weightSqnrDb ?? null,
    outputSqnrDb: row?.sqnrDb ?? null,
  };
}

/** Writes the folder in one go, and reads the network back to be sure. */
export async function writeResults(
  job: QuantizeJob,
  results: QuantizeResults,
  report: QuantizeReport,
  context: JobContext,
): Promise<void> {
  const inputs = await inputHashes(job, results.model);
  const jobReport = wholeReport(job, results, report, context, inputs);
  const files = new Map<string, Uint8Array | string>([
    [quantizedName, results.files.quantized],
    [floatName, results.files.float],
    [rangesName, toJson(results.calibrate)],
    [reportName, toJson(jobReport)],
    [htmlName, renderHtml(jobReport)],
  ]);
  const outputs = [...files].map(([file, content]): InputHash => hashBytes(file, content));
  const manifest: Manifest = {
    ...manifestBase(context, results.engine),
    target: job.target,
    preprocess: job.preprocess,
    calibration: {
      method: job.method,
      images: job.calibrate.path,
      samples: results.calibration.samples,
    },
    options: job.options,
    inputs,
    outputs,
  };
  await writeFolderAtomic(job.out, new Map([...files, [manifestName, manifestText(manifest)]]));
  const path = join(job.out, quantizedName);
  const back = await readFileBounded(path, 2 ** 31 - 1);
  if (hashBytes(quantizedName, back).sha256 !== outputs[0]?.sha256) {
    throw workError("the file on disk is not what was written", { where: path });
  }
}

async function inputHashes(job: QuantizeJob, model: LoadedModel): Promise<readonly InputHash[]> {
  const hashes = await Promise.all(model.files.map((file) => hashFile(file)));
  hashes.push(await hashImages(job.calibrate));
  if (job.evaluate !== undefined) hashes.push(await hashImages(job.evaluate));
  const { mean } = job.preprocess;
  if (isMeanImage(mean)) hashes.push(await hashFile(mean.file));
  return hashes;
}

function wholeReport(
  job: QuantizeJob,
  results: QuantizeResults,
  report: QuantizeReport,
  context: JobContext,
  inputs: readonly InputHash[],
): JobReport {
  const { seed, threads, device, command, versions } = manifestBase(context, results.engine);
  const { graph, format, files } = results.model;
  return {
    schema: "inlay.report/1",
    title: `${modelName(results.model)} on ${job.target}`,
    inspect: inspectGraph(graph, { source: files, format }),
    calibrate: results.calibrate,
    quantize: report,
    evaluate: {
      float: results.accuracy?.float ?? null,
      quantized: results.accuracy?.quantized ?? null,
    },
    compare: results.compare,
    histograms: histograms(results),
    reproduction: {
      command,
      seed,
      threads,
      device,
      versions,
      preprocessing: { ...job.preprocess },
      hashes: inputs.map(({ file, sha256 }) => ({ file, sha256 })),
    },
  };
}

/** Bins that a report shows per value. */
const shownBins = 64;

function histograms({ calibration, quantized, float }: QuantizeResults): ReportHistogram[] {
  const inputs = new Set(float.nodes.filter((node) => node.op === "input").map((node) => node.id));
  return [...calibration.values].flatMap(([id, { statistics }]): ReportHistogram[] => {
    const { histogram, extremes } = statistics;
    if (histogram === undefined || extremes.count === 0) return [];
    const grid = quantized.grids.get(id);
    const { min, max } = extremes;
    return [
      {
        layer: id,
        tensor: inputs.has(id) ? "input" : "activations",
        min,
        max,
        counts: coarser(histogram, min, max),
        range: grid
          ? { lo: (grid.lo - grid.zero) * grid.scale, hi: (grid.hi - grid.zero) * grid.scale }
          : null,
      },
    ];
  });
}

/** The histogram in `shownBins` bins over min..max; a fine bin counts where its centre lies. */
function coarser(histogram: Histogram, min: number, max: number): readonly number[] {
  const counts = new Array<number>(shownBins).fill(0);
  const width = (max - min) / shownBins || 1;
  for (const [bin, count] of histogram.counts.entries()) {
    if (count === 0) continue;
    const centre = (bin - binsPerSide + 0.5) * binWidth(histogram);
    const at = Math.min(shownBins - 1, Math.max(0, Math.floor((centre - min) / width)));
    counts[at] = (counts[at] ?? 0) + count;
  }
  return counts;
}
