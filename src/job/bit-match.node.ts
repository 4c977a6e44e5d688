/**
 * The two phases in which a converted network is checked: over many pictures the last values alone, of one picture every
 * layer, and the sum behind the first value that differs.
 */
import { basename } from "node:path";
import type { Dataset } from "../data/dataset.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import { usageError, workError } from "../error.ts";
import type { BitMatchReport } from "../report/bit-match.ts";
import { plainStyle } from "../report/table.ts";
import { bitMatchText } from "../report/text-bit-match.ts";
import type { ChipModel } from "./chip/chip-model.ts";
import { type ChipSublayer, chipSublayers, chipsAlone } from "./chip/chip-sublayers.ts";
import { dumpFiles } from "./chip/match-dumps.ts";
import {
  firstDifference,
  lastValues,
  layerReport,
  layerValues,
  type MatchedLayer,
  matchLayers,
  matchPictures,
} from "./chip/match-values.ts";
import { type OutputMode, outputModes } from "./chip/output-modes.ts";
import { type Reference, referenceNetwork } from "./chip/reference-network.ts";
import { type Pictures, runBoth, type TwoNetworks } from "./chip/two-runs.ts";
import { modelFileAt, modelPreprocess, readChipModel } from "./chip-model.node.ts";
import { withoutReduction } from "./level-input.ts";
import { floatNetwork, loadModel } from "./load-model.node.ts";
import { located } from "./located.ts";
import { networksBeside, readDumpFolder, referenceBeside } from "./match-files.node.ts";
import type { BitMatchJob, JobContext } from "./options.ts";
import { openPictures, warningLog } from "./pictures.node.ts";
import { refuseExisting, writeOutputs } from "./write-outputs.node.ts";

/** What is written beside the dumps, as the vendor's kit calls it. */
const logFile = "evaluate_log.txt";

/** Compares; writes `job.writeDumps` where it is given. That something differs is no error. */
export function bitMatchJob(job: BitMatchJob, context: JobContext): Promise<BitMatchReport> {
  return located([job.model], () => bitMatch(job, context));
}

async function bitMatch(job: BitMatchJob, context: JobContext): Promise<BitMatchReport> {
  const log = warningLog(context);
  const out = job.writeDumps;
  if (out !== undefined && job.force !== true) await refuseExisting(out, [logFile]);
  const path = await modelFileAt(job.model);
  if (path === undefined) {
    throw usageError("not a converted network", {
      where: job.model,
      expected: "NAME.model, or the folder of one",
    });
  }
  const model = await readChipModel(path, log.add);
  const sublayers = chipSublayers(model);
  const modes = outputModes(sublayers, await networksBeside(path, model.chips.length, log.add));
  const files = job.reference ?? (await referenceBeside(path));
  const reference = await located(files, () =>
    loadReference(files, model, sublayers, { ...job, inputShape: context.inputShape }),
  );
  const dataset = await openPictures(job.images, context, log.add);
  checkDumps(job, dataset);
  const scene: Scene = {
    ...{ job, model, sublayers, reference, modes },
    networks: networksOf(model, reference, job),
    pictures: {
      dataset,
      preprocess: modelPreprocess(model, job.preprocess),
      runtime: await nodeRuntime(context),
      onProgress: context.onProgress,
      onWarning: log.add,
    },
  };
  const match = dataset.samples.length === 1 ? await onePicture(scene) : await allPictures(scene);
  const dumps = out === undefined ? noFiles : dumpFiles(match.pairs, log.add);
  const report = reportOf(scene, match, { files, warnings: [], dumps });
  const complete = { ...report, warnings: log.all() };
  if (out === undefined) return complete;
  const text = bitMatchText(complete, plainStyle, { terms: Number.POSITIVE_INFINITY });
  await writeOutputs(out, new Map([...dumps, [logFile, new TextEncoder().encode(text)]]), {
    force: job.force === true,
  });
  return complete;
}

const noFiles: ReadonlyMap<string, Uint8Array> = new Map();

type Scene = {
  readonly job: BitMatchJob;
  readonly model: ChipModel;
  readonly sublayers: readonly ChipSublayer[];
  readonly reference: Reference;
  readonly modes: ReadonlyMap<string, OutputMode>;
  readonly networks: TwoNetworks;
  readonly pictures: Pictures;
};

async function loadReference(
  files: readonly string[],
  model: ChipModel,
  sublayers: readonly ChipSublayer[],
  { inputStep = 1, inputShape }: Pick<BitMatchJob, "inputStep"> & Pick<JobContext, "inputShape">,
): Promise<Reference> {
  const network = floatNetwork(await loadModel(files, { inputShape }));
  const [first] = model.chips;
  const entry =
    first.meta.entry === "host"
      ? first.graph.nodes.find(({ op }) => op === "input")?.id
      : undefined;
  const graph = entry === undefined ? withoutReduction(network, model.target) : network;
  return referenceNetwork(graph, sublayers, { entry, inputStep });
}

function checkDumps({ dumps }: BitMatchJob, { samples }: Dataset): void {
  if (dumps === undefined || samples.length === 1) return;
  throw usageError("dumps are of one picture", {
    got: `${samples.length} pictures`,
    hint: "Name the picture that the board was given",
  });
}

function networksOf(
  model: ChipModel,
  { graph }: Reference,
  { accumulator, inputStep = 1 }: BitMatchJob,
): TwoNetworks {
  const [first] = model.chips;
  return {
    chips: chipsAlone(model, accumulator),
    reference: graph,
    inputStep,
    inputBits: first.meta.entry === "picture" ? model.target.inputBits : undefined,
  };
}

type Match = Pick<BitMatchReport, "pictures" | "layers" | "difference"> & {
  /** Levels to be dumped. */
  readonly pairs: readonly (MatchedLayer & { readonly got: ArrayLike<number> })[];
};

/** Phase one: the last values of every picture. */
async function allPictures({ model, sublayers, reference, networks, pictures }: Scene) {
  const pairs = lastValues(model, sublayers, reference);
  const wanted = {
    chips: pairs.map(({ chips }) => chips),
    reference: pairs.map(({ reference: id }) => id),
  };
  const found: BitMatchReport["pictures"][number][] = [];
  for await (const values of runBoth(networks, wanted, pictures)) {
    found.push(...matchPictures(values, pairs));
  }
  return { pictures: found, layers: null, difference: null, pairs: [] } satisfies Match;
}

/** Phase two: every sublayer of one picture. */
async function onePicture(scene: Scene): Promise<Match> {
  const { job, sublayers, reference, networks, pictures, modes } = scene;
  const dumps = job.dumps === undefined ? undefined : await readDumpFolder(job.dumps, sublayers);
  if (dumps !== undefined) warnAboutMissing(dumps, scene);
  const wanted = layerValues(networks, sublayers, reference);
  for await (const values of runBoth(networks, wanted, pictures)) {
    const matched = matchLayers(values, sublayers, reference, dumps);
    const layers = matched.map((layer) => layerReport(layer, modes));
    const around = { values, networks, reference, accumulator: job.accumulator };
    const difference = firstDifference(matched, around);
    const seen = layers.filter(({ equalValues }) => equalValues !== null);
    const { values: count = 0, equalValues = 0 } = seen.at(-1) ?? {};
    const [name = ""] = values.names;
    const picture = {
      ...{ name, isEqual: difference === null },
      ...{ values: count, equalValues: equalValues ?? 0 },
    };
    const pairs = matched.map((layer) => ({ ...layer, got: layer.got ?? layer.simulated }));
    return { pictures: [picture], layers, difference, pairs };
  }
  throw workError("there is no picture to compare", { where: job.images.path });
}

/** What the model's output modes promise, and the folder lacks. */
function warnAboutMissing(
  dumps: ReadonlyMap<string, Uint8Array>,
  { modes, sublayers, job, pictures }: Scene,
): void {
  const missing = sublayers.filter(({ conv }) => modes.has(conv) && !dumps.has(conv));
  if (missing.length === 0) return;
  const names = missing.slice(0, 5).map(({ conv }) => conv);
  const more = missing.length > names.length ? ` and ${missing.length - names.length} more` : "";
  pictures.onWarning?.({
    id: "missing-dumps",
    message: `the model's outputs are those of ${names.join(", ")}${more} too, but there are no dumps of them`,
    where: job.dumps,
  });
}

function reportOf(
  { job, model }: Scene,
  { pictures, layers, difference }: Match,
  about: {
    readonly files: readonly string[];
    readonly warnings: BitMatchReport["warnings"];
    readonly dumps: ReadonlyMap<string, Uint8Array>;
  },
): BitMatchReport {
  const matches = pictures.filter(({ isEqual }) => isEqual).length;
  return {
    schema: "inlay.bit-match/1",
    model: model.name,
    target: model.target.name,
    images: job.images.path,
    reference: about.files.map((file) => basename(file)),
    dumps: job.dumps ?? null,
    accumulator: job.accumulator ?? null,
    isEqual: matches === pictures.length,
    ...{ matches, pictures, layers, difference },
    out: job.writeDumps ?? null,
    files: job.writeDumps === undefined ? [] : [...about.dumps.keys(), logFile],
    warnings: about.warnings,
  };
}
