/**
 * `inlay convert`: a network of the vendor's kit, trained and refined, to the files that its converter writes.
 */

import { type FullModel, parseFullModel } from "../chips/gti/full-model-json.ts";
import type { Layout } from "../chips/gti/layout.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { type NetworkJson, parseNetworkJson } from "../chips/gti/network-json.ts";
import { layoutOfJson } from "../chips/gti/network-layout.ts";
import type { ChipProgram } from "../chips/gti/program/program.ts";
import { targetOfChipType } from "../chips/gti/targets.ts";
import { layeredTargetNamed } from "../chips/registry.ts";
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import { inputError, usageError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import { verify } from "../ir/verify.ts";
import type { OnWarning } from "../notice.ts";
import type { ConvertReport } from "../report/convert.ts";
import { pictureSize } from "../run/prepare.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import { differencesOf, violationsOf, withOutputs } from "./check-findings.ts";
import { type ChipFilesOptions, chipFiles } from "./chip/chip-files.ts";
import { declaredOptions } from "./chip/declared-options.ts";
import { refinedProgram } from "./chip/refined-program.ts";
import { refuseViolations } from "./chip/refuse-violations.ts";
import { warnAboutHost, withoutShields, withShields } from "./chip/trained-layers.ts";
import { chooseMapping } from "./chip-choices.ts";
import { convertReport, warnAboutAccumulators } from "./convert-report.ts";
import { declaredWidthWarnings } from "./declared-widths.ts";
import { readFileBounded } from "./files.node.ts";
import { readLabels } from "./label-file.node.ts";
import { withoutReduction } from "./level-input.ts";
import { floatNetwork, loadModel, modelName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { ConvertJob, JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";
import { withVendorImages } from "./vendor-images.node.ts";
import { refuseExisting, writeOutputs } from "./write-outputs.node.ts";

/** The model's name in the folder, as the vendor's converter has it. */
const modelFile = "out.model";

/** Converts and writes `job.out`; nothing is written when a step fails. */
export function convertJob(job: ConvertJob, context: JobContext): Promise<ConvertReport> {
  return located(job.model, () => convertModel(job, context));
}

async function convertModel(job: ConvertJob, context: JobContext): Promise<ConvertReport> {
  const started = new Date().toISOString().slice(0, 19).replace("T", " ");
  const log = warningLog(context);
  if (!job.force) await refuseExisting(job.out, [modelFile]);
  const network = await readNetwork(job.network, log.add);
  const target = targetOf(network, job);
  const fullModel = await readFullModel(job.fullModel);
  const model = await loadModel(job.model, { onWarning: log.add, inputShape: context.inputShape });
  const graph = withoutReduction(verify(floatNetwork(model), "canonical"), target);
  const labels = await readLabels(job.labels, graph, log.add);
  const chosen = mapped(graph, target, network, job, log.add);
  const program = refinedProgram(chosen.mapping, {
    ...{ target, shiftMax: shiftMaxOf(job, target, log.add), editGain: job.editGain },
    activationBitMode: chosen.layout?.activationBitMode ?? 0,
    inputScale: inputScaleOf(job, log.add),
    likeMdk: job.likeMdk,
    onWarning: log.add,
  });
  const accumulator = { bits: job.accumulatorBits ?? target.accumulatorBits };
  warnAboutAccumulators(program, accumulator.bits, log.add);
  const options: ChipFilesOptions = {
    ...{ name: modelName(model), modelFile, preprocess: picturesOf(program) },
    waived: chosen.waived,
    layout: chosen.layout,
    chips: chosen.chips,
    ...{ labels, network, fullModel },
    debug: job.debug,
    caffe: false,
    ...{ started, commands: [context.command.join(" ")], onWarning: log.add },
  };
  const made = chipFiles(program, options);
  const files =
    job.vendorLibrary === undefined
      ? made.files
      : await withVendorImages(job.vendorLibrary, program, made, { modelFile, debug: job.debug });
  await writeOutputs(job.out, files, { force: job.force });
  return convertReport(program, made, {
    model: modelName(model),
    source: model.files,
    out: job.out,
    files: [...files.keys()],
    modelFile,
    image: job.vendorLibrary === undefined ? "inlay" : "vendor",
    waived: chosen.waived,
    editGain: job.editGain,
    labels: labels?.length ?? null,
    accumulatorBits: accumulator.bits,
    warnings: log.all(),
  });
}

/** Characters that the parsers take, each of up to four bytes. */
const maxJsonBytes = 2 ** 22;

async function textOf(path: string, maxBytes: number): Promise<string> {
  return new TextDecoder().decode(await readFileBounded(path, maxBytes));
}

async function readNetwork(
  path: string | undefined,
  onWarning: OnWarning,
): Promise<NetworkJson | undefined> {
  if (path === undefined) return undefined;
  return parseNetworkJson({ name: path, text: await textOf(path, maxJsonBytes) }, onWarning);
}

async function readFullModel(path: string | undefined): Promise<FullModel | undefined> {
  if (path === undefined) return undefined;
  return parseFullModel({ name: path, text: await textOf(path, maxJsonBytes) });
}

function targetOf(network: NetworkJson | undefined, job: ConvertJob): LayeredTarget {
  const asked = job.target === undefined ? undefined : layeredTargetNamed(job.target);
  const type = network?.model.ChipType;
  const target = type === undefined ? asked : targetOfChipType(type);
  if (target === undefined) {
    throw usageError("which chip is meant?", {
      hint: "Give a network JSON, or --target gti2801, gti2803 or gti5801",
    });
  }
  if (asked !== undefined && asked.name !== target.name) {
    throw inputError("the network JSON is for another chip", {
      where: network?.name,
      expected: asked.name,
      got: target.name,
    });
  }
  return target;
}

type Chosen = {
  readonly mapping: ChipMapping;
  readonly layout: Layout | undefined;
  readonly chips: number;
  /** Names of rules that are waived and broken. */
  readonly waived: readonly string[];
};

/** The network on the chip, with nothing left that breaks a rule or contradicts the file. */
function mapped(
  graph: Graph,
  target: LayeredTarget,
  network: NetworkJson | undefined,
  { chip }: ConvertJob,
  onWarning: OnWarning,
): Chosen {
  const shielded = withShields(graph);
  const asked = network === undefined ? declaredOptions(shielded, target, chip) : chip;
  const { mapping: found, choices } = chooseMapping(shielded, target, asked, network, onWarning);
  const mapping = withoutShields(found);
  const { chips } = choices;
  const layout = mapping.layout && withOutputs(mapping.layout, network && layoutOfJson(network));
  const violations = violationsOf(mapping, layout, target, { waive: new Set(chip.waive), chips });
  const waived = refuseViolations(violations, onWarning);
  if (network !== undefined && mapping.layout !== undefined) {
    refuseDifferences(network, mapping.layout, target, chips);
  }
  declaredWidthWarnings(mapping, target).forEach(onWarning);
  warnAboutHost(mapping, onWarning);
  return { mapping, layout, chips, waived };
}

function refuseDifferences(
  network: NetworkJson,
  layout: Layout,
  target: LayeredTarget,
  chips: number,
): void {
  const differences = differencesOf(network, layout, target, chips);
  if (differences.length === 0) return;
  const lines = differences.map(({ major, key, json, graph }) => {
    const place = major === undefined ? "model" : `major layer ${major}`;
    return `${place}: ${key} is ${json}, the network has ${graph}`;
  });
  throw inputError(["the network JSON contradicts the network", ...lines].join("\n  "), {
    where: network.name,
  });
}

function shiftMaxOf(
  { shiftMax }: ConvertJob,
  { shiftRegisterMax }: LayeredTarget,
  onWarning: OnWarning,
): number | undefined {
  if (shiftMax !== undefined && shiftMax > shiftRegisterMax) {
    onWarning({
      id: "shift-register",
      message: `a shift takes four bits of a register: beyond ${shiftRegisterMax} the chip cannot hold it`,
    });
  }
  return shiftMax;
}

/** Only gain editing asks for it. */
function inputScaleOf({ inputScale, editGain }: ConvertJob, onWarning: OnWarning): number {
  if (inputScale !== undefined && !editGain) {
    onWarning({
      id: "input-scale",
      message: "the input scale changes nothing without --edit_gain=true: refining has taken it in",
    });
  }
  return inputScale ?? 1;
}

/** As the kit's own check reads pictures: blue first, the whole picture resized. */
function picturesOf({ mapping }: ChipProgram): Preprocess {
  const { height, width } = pictureSize(mapping.graph);
  return { ...defaultPreprocess, order: "bgr", resize: { kind: "exact", width, height } };
}
