/**
 * `inlay calibrate-quant-relu`: a cap for each QuantReLU of a training network, from the pictures of its own data layer;
 * the network is written with these caps fixed and quantization on.
 */
import { join } from "node:path";
import { nodeRuntime } from "../engine/runtime.node.ts";
import { inputError, usageError } from "../error.ts";
import type { LayerParameter } from "../formats/caffe/schema/schema.ts";
import type { Graph } from "../ir/graph.ts";
import type { OnWarning } from "../notice.ts";
import type { CalibrateQuantReluReport, CapRow } from "../report/mdk.ts";
import { type DataLayer, openDataLayer } from "./data-layer.node.ts";
import { readFileBounded } from "./files.node.ts";
import { located } from "./located.ts";
import { withCap } from "./mdk/caps.ts";
import { floatActivations } from "./mdk/float-function.ts";
import type { CalibrateQuantReluJob } from "./mdk/jobs.ts";
import { logText } from "./mdk/kit-log.ts";
import { measurePercentiles } from "./mdk/measure-caps.ts";
import {
  appendLog,
  outputPaths,
  pathsOf,
  refuseExisting,
  writeOutputs,
} from "./mdk/output-files.node.ts";
import { type Structure, shortcutGroups, structureOf } from "./mdk/structure.ts";
import {
  edited,
  graphOf,
  labelOf,
  readTrainNet,
  type TrainNet,
  testLayers,
  writeTrainNet,
} from "./mdk/train-net.ts";
import type { JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";

/** Batches that are looked at: by the manual, and by the kit's script. */
const defaultBatches = { manual: 20, script: 10 } as const;
const defaultPercentile = 0.999;
const maxFileBytes = 2 ** 31 - 1;
/** More than anybody calibrates with: a slip of the pen. */
const maxPictures = 10_000_000;
const logName = "ReLUAlpha.log";

/** Measures, writes `QuantRelu/*` and appends to the log. */
export function calibrateQuantReluJob(
  job: CalibrateQuantReluJob,
  context: JobContext,
): Promise<CalibrateQuantReluReport> {
  return located([job.prototxt, job.caffemodel], () => calibrate(job, context));
}

async function calibrate(
  job: CalibrateQuantReluJob,
  context: JobContext,
): Promise<CalibrateQuantReluReport> {
  const { prototxt, caffemodel, folder, likeMdk } = job;
  const log = warningLog(context);
  const percentile = checkedPercentile(job.percentile ?? defaultPercentile);
  const ending = likeMdk ? "_QuantReLU" : "_quantRelu";
  const paths = outputPaths(job, folder, "QuantRelu", ending);
  await refuseExisting(paths, job.force);
  const trainNet = await readFiles(prototxt, caffemodel, log.add);
  const batches = job.numBatches ?? (likeMdk ? defaultBatches.script : defaultBatches.manual);
  const data = await openData(trainNet, job, batches, log.add);
  const structure = structureOf(testLayers(trainNet));
  const watched = watchedLayers(trainNet, structure, likeMdk);
  const graph = measuredGraph(trainNet, data, structure, likeMdk, log.add);
  const runtime = await nodeRuntime(context);
  const ids = [...new Set(watched)];
  checkReached(graph, ids, prototxt);
  const options = { percentile, onProgress: context.onProgress, onWarning: log.add };
  const found = await measurePercentiles(graph, ids, data, runtime, options);
  const rows = capRows(structure, watched, found, likeMdk);
  const calibrated = withCaps(trainNet, structure, rows);
  await writeOutputs(paths, writeTrainNet(calibrated));
  const logFile = join(folder, logName);
  await appendLog(logFile, alphaLog(job, data, batches, percentile, rows));
  return {
    schema: "inlay.calibrate-quant-relu/1",
    ...{ prototxt, caffemodel, batches, percentile, likeMdk },
    images: data.source,
    samples: data.dataset.samples.length,
    layers: rows,
    files: [...pathsOf(paths), logFile],
    warnings: log.all(),
  };
}

function checkedPercentile(percentile: number): number {
  if (percentile > 0 && percentile <= 1) return percentile;
  throw usageError("--percentile must be a share above 0", {
    expected: "0.999, say",
    got: `${percentile}`,
  });
}

async function openData(
  trainNet: TrainNet,
  job: CalibrateQuantReluJob,
  batches: number,
  onWarning: OnWarning,
): Promise<DataLayer> {
  const { prototxt, folder, phase } = job;
  if (!(Number.isInteger(batches) && batches >= 1 && batches <= maxPictures)) {
    throw usageError("--num-batches must be a positive integer", { got: `${batches}` });
  }
  const options = { phase, prototxt, folder, batches, maxPictures, onWarning };
  return await openDataLayer(trainNet.net, options);
}

/** Both files of a training network. */
export async function readFiles(
  prototxt: string,
  caffemodel: string,
  onWarning: OnWarning,
): Promise<TrainNet> {
  const file = async (name: string) => ({ name, bytes: await readFileBounded(name, maxFileBytes) });
  return readTrainNet(await file(prototxt), await file(caffemodel), onWarning);
}

/** The network as it is measured: like the kit as it stands, else without the rounding of activations. */
function measuredGraph(
  trainNet: TrainNet,
  data: DataLayer,
  { relus }: Structure,
  likeMdk: boolean,
  onWarning: OnWarning,
): Graph {
  const { channels, height, width } = data.size;
  const graph = graphOf(trainNet, data.layer, [1, channels, height, width], onWarning);
  const on = relus.filter(({ quant_relu_param: param }) => param?.quant_enable === true);
  if (on.length > 0) {
    const message = likeMdk
      ? "activations are quantized already: new caps cannot be larger than the old ones"
      : "activations are quantized already: they are measured without";
    const where = `${trainNet.files.prototxt}: ${on.map(({ name }) => name).join(", ")}`;
    onWarning({ id: "already-quantized", message, where });
  }
  return likeMdk ? graph : floatActivations(graph);
}

/**
 * For each QuantReLU the layer whose output is watched: itself; like the kit whatever wrote last the blob of the
 * QuantConvolution of the same place.
 */
function watchedLayers(
  trainNet: TrainNet,
  { convs, relus }: Structure,
  likeMdk: boolean,
): readonly string[] {
  if (relus.length === 0) {
    throw inputError("the network has no QuantReLU", { where: trainNet.files.prototxt });
  }
  if (!likeMdk) return relus.map(({ name }) => name ?? "");
  if (convs.length !== relus.length) {
    throw inputError("the kit's way needs as many QuantReLU as QuantConvolution layers", {
      where: trainNet.files.prototxt,
      got: `${convs.length} QuantConvolution, ${relus.length} QuantReLU`,
      hint: "Leave --like-mdk out: then each QuantReLU is watched itself",
    });
  }
  const layers = testLayers(trainNet);
  return convs.map(({ layer }) => {
    const [blob = ""] = layer.top;
    return layers.findLast(({ top }) => top.includes(blob))?.name ?? "";
  });
}

function checkReached(graph: Graph, ids: readonly string[], where: string): void {
  const known = new Set(graph.nodes.map(({ id }) => id));
  const lost = ids.filter((id) => !known.has(id));
  if (lost.length === 0) return;
  throw inputError("layers give nothing that the network's outputs need, or share a name", {
    where,
    got: lost.join(", "),
  });
}

function capRows(
  structure: Structure,
  watched: readonly string[],
  found: Awaited<ReturnType<typeof measurePercentiles>>,
  likeMdk: boolean,
): readonly CapRow[] {
  const measured = structure.relus.map((relu, at) => {
    const id = watched[at] ?? "";
    const { value, count } = found.get(id) ?? { value: Number.NaN, count: 0 };
    checkValue(relu, value);
    return { layer: relu.name ?? "", watched: id, count, value, cap: value };
  });
  if (likeMdk) return measured;
  for (const group of shortcutGroups(structure)) {
    const cap = Math.max(...group.map((at) => measured[at]?.value ?? 0));
    for (const at of group) {
      const row = measured[at];
      if (row !== undefined) measured[at] = { ...row, cap };
    }
  }
  return measured;
}

function checkValue(relu: LayerParameter, value: number): void {
  if (value > 0) return;
  throw inputError("the cap would not be above 0", {
    node: labelOf(relu),
    got: `${value} at the percentile`,
    hint: "The activation is dead, or its percentile too low: check the pictures, or raise --percentile",
  });
}

function withCaps(trainNet: TrainNet, { relus }: Structure, rows: readonly CapRow[]): TrainNet {
  const edits = relus.map((relu, at) => {
    const cap = rows[at]?.cap ?? 0;
    return [relu, withCap(trainNet, relu, cap)] as const;
  });
  return edited(trainNet, new Map(edits));
}

function alphaLog(
  { prototxt, caffemodel }: CalibrateQuantReluJob,
  { source, batchSize }: DataLayer,
  batches: number,
  percentile: number,
  rows: readonly CapRow[],
): string {
  return logText({
    title: `${prototxt}, ${caffemodel}: ${batches} batches of ${batchSize} from ${source}, percentile ${percentile}`,
    columns: ["layer", "alpha"],
    rows: rows.map(({ layer, cap }) => [layer, cap]),
    notes: [],
  });
}
