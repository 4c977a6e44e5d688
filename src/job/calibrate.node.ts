/**
 * `inlay calibrate`: the range of every learnable and every activation.
 */
import { int8 } from "../chips/int8/target.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Graph } from "../ir/graph.ts";
import { allActivations } from "../quantize/all-activations.ts";
import { type Calibration, calibrate } from "../quantize/calibrate.ts";
import { chooseRange } from "../quantize/observers/choose-range.ts";
import type { Range, RangeFormat } from "../quantize/observers/statistics.ts";
import { rangeTable } from "../quantize/range-table.ts";
import type { CalibrateReport, RangeRow } from "../report/reports.ts";
import { checkPreprocessing } from "../run/preprocess-check.ts";
import { floatNetwork, loadModel, modelName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { CalibrateJob, CalibrationMethod, JobContext } from "./options.ts";
import { openPictures, type WarningLog, warningLog } from "./pictures.node.ts";

/** Runs the pictures through the float network and reports the ranges. */
export function calibrateJob(job: CalibrateJob, context: JobContext): Promise<CalibrateReport> {
  return located(job.model, () => calibrateModel(job, context));
}

async function calibrateModel(job: CalibrateJob, context: JobContext): Promise<CalibrateReport> {
  const log = warningLog(context);
  const model = await loadModel(job.model, { onWarning: log.add, inputShape: context.inputShape });
  const graph = floatNetwork(model);
  const dataset = await openPictures(job.images, context, log.add);
  const runtime = await nodeRuntime(context);
  const network = { imported: model.graph, float: graph };
  await checkPreprocessing(network, dataset, job.preprocess, runtime, log.add);
  const calibration = await calibrate(
    graph,
    allActivations(graph),
    dataset,
    job.preprocess,
    runtime,
    {
      method: job.method,
      everyPixel: job.everyPixel,
      onProgress: context.onProgress,
      onWarning: log.add,
    },
  );
  const format: RangeFormat = { number: int8.activations.unsigned };
  const chosen = chosenRanges(graph, calibration, job.method, format);
  const about = { ...job, name: modelName(model) };
  return calibrateReport(graph, calibration, about, chosen, context, log);
}

type About = Pick<CalibrateJob, "method" | "images" | "preprocess"> & { readonly name: string };

/**
 * The ranges that a method chooses from a calibration, by value id. A graph input keeps its extremes:
 * its values come in 256 steps already, which clipping would only spoil.
 */
export function chosenRanges(
  graph: Graph,
  calibration: Calibration,
  method: CalibrationMethod,
  format: RangeFormat,
): ReadonlyMap<string, Range> {
  const ranges = new Map<string, Range>();
  const inputs = inputIds(graph);
  for (const [id, { statistics }] of calibration.values) {
    if (statistics.extremes.count === 0) continue;
    ranges.set(id, chooseRange(inputs.has(id) ? "minmax" : method, statistics, format));
  }
  return ranges;
}

function inputIds(graph: Graph): ReadonlySet<string> {
  return new Set(graph.nodes.filter((node) => node.op === "input").map((node) => node.id));
}

/** The report of a calibration and the ranges chosen from it. */
export function calibrateReport(
  graph: Graph,
  calibration: Calibration,
  about: About,
  chosen: ReadonlyMap<string, Range>,
  context: JobContext,
  log: WarningLog,
): CalibrateReport {
  const seen = new Map(
    [...chosen.keys()].map((id) => {
      const extremes = calibration.values.get(id)?.statistics.extremes;
      return [id, { min: extremes?.min ?? 0, max: extremes?.max ?? 0 }];
    }),
  );
  const inputs = inputIds(graph);
  const ranges = rangeTable(graph, seen).map((row): RangeRow => {
    const range = row.kind === "Activations" ? chosen.get(row.networkLayer) : undefined;
    const isInput = row.kind === "Activations" && inputs.has(row.networkLayer);
    return {
      layer: row.optimizedLayer,
      networkLayer: row.networkLayer,
      tensor: isInput ? "input" : kinds[row.kind],
      min: row.min,
      max: row.max,
      lo: range?.min ?? null,
      hi: range?.max ?? null,
    };
  });
  return {
    schema: "inlay.calibrate/1",
    model: about.name,
    method: about.method,
    images: about.images.path,
    samples: calibration.samples,
    ranges,
    preprocessing: { ...about.preprocess },
    seed: context.seed,
    secondsPerImage: calibration.secondsPerImage,
    warnings: log.all(),
  };
}

const kinds = { Weights: "weights", Bias: "bias", Activations: "activations" } as const;
