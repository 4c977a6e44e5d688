/**
 * `inlay refine-network`: a calibrated training network in the chip's units, for the last fine-tuning: batch norms and the
 * pictures' mean merged, every cap the chip's, all roundings on. Each step is held against the network before it.
 */
import { join } from "node:path";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import { type InlayError, usageError, workError } from "../error.ts";
import { setting } from "../formats/caffe/schema/schema.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import type { RefineNetworkReport, RefineStep } from "../report/mdk.ts";
import { readFiles } from "./calibrate-quant-relu.node.ts";
import { type DataLayer, openDataLayer } from "./data-layer.node.ts";
import { located } from "./located.ts";
import { editGains, type GainRow } from "./mdk/edit-gains.ts";
import {
  type Difference,
  largestDifference,
  sameFunction,
  type Watched,
} from "./mdk/float-function.ts";
import { hostUnits, withHostUnits } from "./mdk/host-units.ts";
import { greyPerLevel, type InputUnit, inputUnit, withLevelInput } from "./mdk/input-unit.ts";
import type { RefineNetworkJob } from "./mdk/jobs.ts";
import { logText } from "./mdk/kit-log.ts";
import { mergeBatchNorms } from "./mdk/merge-batch-norms.ts";
import { mergeInputMeans } from "./mdk/merge-input-means.ts";
import {
  appendLog,
  outputPaths,
  pathsOf,
  refuseExisting,
  writeOutputs,
} from "./mdk/output-files.node.ts";
import { structureOf } from "./mdk/structure.ts";
import { graphOf, type TrainNet, testLayers, writeTrainNet } from "./mdk/train-net.ts";
import type { JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";

const logName = "RefineNet.log";

/** Refines, writes `Refined/*` and appends to the log. */
export function refineNetworkJob(
  job: RefineNetworkJob,
  context: JobContext,
): Promise<RefineNetworkReport> {
  return located([job.prototxt, job.caffemodel], () => refine(job, context));
}

async function refine(job: RefineNetworkJob, context: JobContext): Promise<RefineNetworkReport> {
  const { prototxt, caffemodel, folder, likeMdk } = job;
  const log = warningLog(context);
  const paths = outputPaths(job, folder, "Refined", "_refined");
  await refuseExisting(paths, job.force);
  const before = await readFiles(prototxt, caffemodel, log.add);
  const { actBits, lastLayer10bit } = bitsOf(before, job);
  const options = { phase: job.phase, prototxt, folder, batches: 1, onWarning: log.add };
  const data = await openDataLayer(before.net, options);
  const unit = inputUnit(data.preprocess, data.levels !== undefined, job, likeMdk);
  const checker: Checker = {
    data,
    runtime: await nodeRuntime(context),
    likeMdk,
    onWarning: log.add,
    onProgress: context.onProgress,
  };

  const normed = mergeBatchNorms(before, { likeMdk, onWarning: log.add });
  const steps = [await checkNorms(before, normed.trainNet, checker)];
  const means = { ...unit, likeMdk, onWarning: log.add };
  const meaned = mergeInputMeans(normed.trainNet, means);
  steps.push(await checkMeans(normed.trainNet, meaned, checker));
  const gains = { inputScale: unit.scale, actBits, lastLayer10bit, likeMdk, onWarning: log.add };
  const gained = editGains(meaned ?? normed.trainNet, gains);
  const finished = await finish(meaned ?? normed.trainNet, gained, checker);
  steps.push(finished.step);

  await writeOutputs(paths, writeTrainNet(finished.trainNet));
  const logFile = join(folder, logName);
  const scaleFactor = gained.rows.at(-1)?.unit ?? 1;
  await appendLog(logFile, gainLog(job, unit, gained.rows, scaleFactor));
  return {
    schema: "inlay.refine-network/1",
    ...{ prototxt, caffemodel, actBits, lastLayer10bit, likeMdk, steps, scaleFactor },
    inputScale: unit.scale,
    imageMeans: meaned === undefined ? [] : unit.means,
    layers: gained.rows.map(layerOf),
    removedLayers: normed.removed,
    addedLayers: finished.added,
    files: [...pathsOf(paths), logFile],
    warnings: log.all(),
  };
}

type Bits = { readonly actBits: 5 | 10; readonly lastLayer10bit: boolean };

/** The bits of activations: as asked, like the kit 5, else what the first layer has, and the last. */
function bitsOf(trainNet: TrainNet, job: RefineNetworkJob): Bits {
  const { relus } = structureOf(testLayers(trainNet));
  const bits = relus.map((relu) =>
    setting("QuantReLUParameter", relu.quant_relu_param, "act_bits"),
  );
  const [first = 5] = bits;
  const actBits = job.actBits ?? (job.likeMdk ? 5 : first);
  if (actBits !== 5 && actBits !== 10) {
    throw usageError("activations have 5 or 10 bits on the chips", {
      expected: "--act-bits=5 or --act-bits=10",
      got: `${actBits}`,
    });
  }
  const isMixed = actBits === 5 && first === 5 && bits.at(-1) === 10;
  const lastLayer10bit = job.lastLayer10bit ?? (!job.likeMdk && isMixed);
  if (actBits === 10 && lastLayer10bit) {
    throw usageError("--last-layer-10bit is for networks of 5-bit activations");
  }
  return { actBits, lastLayer10bit };
}

type Checker = {
  readonly data: DataLayer;
  readonly runtime: Runtime;
  readonly likeMdk: boolean;
  readonly onWarning: OnWarning;
  readonly onProgress: OnProgress | undefined;
};

type Numbers = { readonly mean: readonly number[]; readonly scale: number };

/** The difference of two networks that take the data layer's pictures, with other means and scales where they are given. */
async function differenceOf(
  [before, after]: readonly [TrainNet, TrainNet],
  [numbersBefore, numbersAfter]: readonly [Partial<Numbers>, Partial<Numbers>],
  watched: readonly Watched[],
  { data, runtime, onProgress }: Checker,
): Promise<Difference> {
  const { channels, height, width } = data.size;
  const view = (trainNet: TrainNet, numbers: Partial<Numbers>) => ({
    graph: graphOf(trainNet, data.layer, [1, channels, height, width]),
    preprocess: { ...data.preprocess, ...numbers },
  });
  const [old, now] = [view(before, numbersBefore), view(after, numbersAfter)];
  const total = data.dataset.samples.length;
  return await largestDifference(old, now, watched, data.dataset, runtime, (done) =>
    onProgress?.({ label: "compare with the network before", done, total }),
  );
}

/** The step's row; a difference that is too large is an error, like the kit a warning. */
function judged(
  name: RefineStep["name"],
  { error, id }: Difference,
  hint: string,
  { likeMdk, onWarning, data }: Checker,
): RefineStep {
  const step = {
    name,
    done: true,
    error: Number.isFinite(error) ? error : null,
    allowed: sameFunction,
  };
  const layer = id === "" ? null : id;
  if (error <= sameFunction) return { ...step, layer };
  const fault = changed(name, error, id, hint);
  if (!likeMdk) throw fault;
  onWarning({ id: "function-changed", message: fault.message, where: data.source });
  return { ...step, layer };
}

function changed(name: string, error: number, id: string, hint: string): InlayError {
  return workError(`step ${name} would change what the network computes`, {
    node: `layer "${id}"`,
    expected: `a difference of at most ${sameFunction} of the layer's largest value`,
    got: String(Number(error.toPrecision(3))),
    hint,
  });
}

const nothing = (name: RefineStep["name"]): RefineStep => ({
  ...{ name, done: false, error: null, layer: null, allowed: sameFunction },
});

/** Values of every activation, and what the network gives. */
async function checkNorms(
  before: TrainNet,
  after: TrainNet,
  checker: Checker,
): Promise<RefineStep> {
  if (before === after) return nothing("merge-batch-norm");
  const { relus } = structureOf(testLayers(before));
  const names = [...relus.map(({ name = "" }) => name), ...hostLayers(after)];
  const difference = await differenceOf([before, after], [{}, {}], names.map(plainly), checker);
  const hint = checker.likeMdk
    ? "The kit's epsilon is 1e-5, whatever the layer's is"
    : "Is the convolution's blob read by another layer than its batch norm?";
  return judged("merge-batch-norm", difference, hint, checker);
}

const plainly = (id: string): Watched => ({ id, factor: 1, border: 0 });

/** The layers that the chip's values do not show up in unchanged: compared as they are. */
function hostLayers(trainNet: TrainNet): readonly string[] {
  const layers = testLayers(trainNet);
  const { onChip } = structureOf(layers);
  const computed = layers.filter(({ bottom }) => bottom.length > 0);
  return computed.map(({ name = "" }) => name).filter((name) => !onChip.has(name));
}

/** The convolutions that read the pictures, where their kernels lie inside. */
async function checkMeans(
  before: TrainNet,
  after: TrainNet | undefined,
  checker: Checker,
): Promise<RefineStep> {
  if (after === undefined) return nothing("merge-input-mean");
  const first = structureOf(testLayers(after)).convs.filter(({ input }) => input.data);
  const watched = first.map(({ layer }) => ({
    id: layer.name ?? "",
    factor: 1,
    border: borderOf(layer.convolution_param),
  }));
  const difference = await differenceOf([before, after], [{}, { mean: [0] }], watched, checker);
  const hint = "Image means count levels 0..31, and --input-scale is the real size of one level";
  return judged("merge-input-mean", difference, hint, checker);
}

type ConvolutionParameter = ReturnType<typeof testLayers>[number]["convolution_param"];

/** Rows and columns of the output whose kernels reach into the padding. */
function borderOf(param: ConvolutionParameter): number {
  const pad = Math.max(0, param?.pad_h ?? 0, param?.pad_w ?? 0, ...(param?.pad ?? []));
  const stride = Math.min(param?.stride_h ?? param?.stride[0] ?? 1, param?.stride_w ?? Infinity);
  return Math.ceil(pad / Math.max(1, stride));
}

type Finished = {
  readonly trainNet: TrainNet;
  readonly step: RefineStep;
  /** Names of the Scale layers in front of the host. */
  readonly added: readonly string[];
};

/**
 * Compares the network in the chip's units, and readies it for training: units for the host's layers, levels from the data
 * layers. Like the kit neither is done.
 */
async function finish(
  before: TrainNet,
  { trainNet, rows }: ReturnType<typeof editGains>,
  checker: Checker,
): Promise<Finished> {
  const { likeMdk, data, onWarning } = checker;
  const units = hostUnits(trainNet, rows);
  const withUnits = likeMdk ? trainNet : withHostUnits(trainNet, units);
  const known = new Set(trainNet.net.layer.map(({ name }) => name));
  const added = withUnits.net.layer.flatMap(({ name = "" }) => (known.has(name) ? [] : [name]));
  const watched = [
    ...rows.map(({ activation, unit }) => ({ id: activation, factor: unit, border: 0 })),
    ...(likeMdk ? [] : hostLayers(before).map(plainly)),
  ];
  const grey = data.levels === undefined ? { mean: [0], scale: 1 / greyPerLevel } : {};
  const bare = data.levels === undefined ? { mean: [0] } : {};
  const difference = await differenceOf([before, withUnits], [bare, grey], watched, checker);
  const hint =
    "--input-scale is the real size of one of the levels 0..31: 8 times the data layer's scale, or 1 where it has quant_enable";
  const step = judged("edit-gain", difference, hint, checker);
  if (likeMdk) {
    for (const { layer, factor } of units) {
      const message = `reads values in the chip's units: it wants them times ${Number(factor.toPrecision(7))}`;
      onWarning({ id: "host-units", message, where: `${layer.type} "${layer.name}"` });
    }
    return { trainNet, step, added };
  }
  return { trainNet: withLevelInput(withUnits), step, added };
}

function layerOf(row: GainRow): RefineNetworkReport["layers"][number] {
  const { convolution, activation, alpha, gain, maxWeight, maxBias, chipCap } = row;
  return {
    ...{ convolution, activation, alpha, maxWeight, maxBias, chipCap },
    gainWeights: gain.weight,
    gainBias: gain.bias,
  };
}

function gainLog(
  { prototxt, caffemodel }: RefineNetworkJob,
  { scale }: InputUnit,
  rows: readonly GainRow[],
  scaleFactor: number,
): string {
  return logText({
    title: `${prototxt}, ${caffemodel}: input scale ${Number(scale.toPrecision(7))}`,
    columns: ["layer", "alpha", "gainW", "gainB", "max W", "max B"],
    rows: rows.map((row) => [
      ...[row.convolution, row.alpha, row.gain.weight, row.gain.bias],
      ...[row.maxWeight, row.maxBias],
    ]),
    notes: [`scale factor ${Number(scaleFactor.toPrecision(7))}`],
  });
}
