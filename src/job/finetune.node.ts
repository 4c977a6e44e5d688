/**
 * `inlay finetune`: the four steps of quantization-aware training (float, rounded convolutions, rounded activations,
 * fused), from a network and pictures to what the chip holds.
 */
import { join } from "node:path";
import type { Label } from "../chips/gti/files/labels.ts";
import { capGroups } from "../chips/gti/map/cap-groups.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { tieCaps } from "../chips/gti/program/caps.ts";
import { refine } from "../chips/gti/program/refine.ts";
import { layeredTargetNamed } from "../chips/registry.ts";
import { checkLabels, type Dataset } from "../data/dataset.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Runtime } from "../engine/runtime.ts";
import { inputError } from "../error.ts";
import { type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import { verify } from "../ir/verify.ts";
import { type OnWarning, silent } from "../notice.ts";
import { canonicalize } from "../passes/pipeline.ts";
import type { FinetuneReport } from "../report/finetune.ts";
import { renderFinetuneHtml } from "../report/finetune-page.ts";
import { toJson } from "../report/json.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import { elementCount } from "../tensor/shape.ts";
import type { TrainableOptions } from "../train/trainable.ts";
import { violationsOf } from "./check-findings.ts";
import { refuseViolations } from "./chip/refuse-violations.ts";
import { chooseMapping } from "./chip-choices.ts";
import { someOf } from "./chip-pictures.node.ts";
import {
  bitMode,
  calibratedCaps,
  defaultCapMethod,
  entryOf,
  inputUnits,
} from "./chip-quantize.node.ts";
import { writeFolderAtomic } from "./files.node.ts";
import { deliver } from "./finetune/deliver.node.ts";
import type { FinetuneJob, StageName } from "./finetune/fine-tune.ts";
import { writeFloatFiles } from "./finetune/float-files.node.ts";
import { withClasses } from "./finetune/own-classes.ts";
import { randomWeights } from "./finetune/random-weights.ts";
import {
  asFloat,
  capsOf,
  rawPixels,
  withChipPixels,
  withLevelInput,
  withRoundedActivations,
  withRoundedConvolutions,
  withTensorsOf,
} from "./finetune/stage-networks.ts";
import { runStage, type Stage, type StageScene } from "./finetune/stage-run.node.ts";
import type { StageResult, Trained } from "./finetune/trained.ts";
import { hashFile, hashText } from "./hash.node.ts";
import { readLabels } from "./label-file.node.ts";
import { loadModel, modelName } from "./load-model.node.ts";
import { located } from "./located.ts";
import type { JobContext } from "./options.ts";
import { openPictures, type WarningLog, warningLog } from "./pictures.node.ts";

/** Pictures that caps are calibrated with. */
const calibrationPictures = 500;

/** How much of a batch norm's stored sums an iteration keeps. */
const statisticsFraction = 0.99;

/** How many times faster than the others a new last layer learns. */
const headFactor = 10;

type Scene = {
  readonly job: FinetuneJob;
  readonly context: JobContext;
  readonly log: WarningLog;
  readonly runtime: Runtime;
  readonly train: Dataset;
  readonly test: Dataset;
  readonly target: LayeredTarget;
  readonly stages: [StageName, StageResult][];
  /** The float network, once it is trained, where it is to teach the others. */
  teacher?: Stage["teacher"];
  /** Hash of all that came before, for the next step. */
  inputs: string;
};

/** Trains, converts, simulates and reports. A run that was stopped is only reported; the same call goes on from there. */
export async function finetuneJob(job: FinetuneJob, context: JobContext): Promise<FinetuneReport> {
  return await located(job.model, () => fineTune(job, context));
}

async function fineTune(job: FinetuneJob, context: JobContext): Promise<FinetuneReport> {
  const started = new Date().toISOString().slice(0, 19).replace("T", " ");
  const log = warningLog(context);
  const target = layeredTargetNamed(job.target);
  const model = await loadModel(job.model, {
    // Weights are drawn: that there are none is no news.
    onWarning: (warning) => {
      if (!(job.fromScratch && warning.id === "no-weights")) log.add(warning);
    },
    inputShape: context.inputShape,
  });
  const train = await openPictures(job.train, context, log.add);
  const test = await openPictures(job.test, context, log.add);
  const { graph, head } = startOf(model.graph, train, job, context.seed);
  checkClasses(graph, [train, test]);
  const files = await Promise.all(model.files.map((path) => hashFile(path)));
  const pictures = [train, test].map((dataset) => samplesHash(dataset));
  const asked = JSON.stringify([job.preprocess, job.fromScratch, job.ownClasses]);
  const scene: Scene = {
    ...{ job, context, log, train, test, target, stages: [] },
    runtime: await nodeRuntime(context),
    inputs: hashOf([...files.map(({ sha256 }) => sha256), ...pictures, asked]),
  };
  const result = await trainAll(graph, head, scene);
  const [name, source] = [modelName(model), model.files];
  const labels = await labelsOf(job, graph, train, log);
  const delivering = { ...scene, name, source, labels, started };
  const delivered = result.stopped ? notDelivered : await deliver(result, delivering);
  const report: FinetuneReport = {
    schema: "inlay.finetune/1",
    ...{ model: name, source, target: target.name, batch: job.batch, seed: context.seed },
    train: { images: job.train.path, samples: train.samples.length },
    test: { images: job.test.path, samples: test.samples.length },
    classes: train.classes ?? [],
    stages: scene.stages.map(([stage, { best, tests, seconds }]) => ({
      ...{ name: stage, rate: job.stages[stage].rate, seconds, tests, best: best ?? null },
      iterations: iterationsOf(stage, scene).iterations,
    })),
    stopped: result.stopped,
    ...delivered,
    warnings: log.all(),
  };
  const pages = [
    ["report.json", toJson(report)],
    ["report.html", renderFinetuneHtml(report)],
  ] as const;
  await writeFolderAtomic(job.out, new Map(pages));
  return report;
}

const notDelivered = { accuracy: null, bitMatch: null, convert: null };

/** Names for the model: of a file, or of the folders of the classes. */
async function labelsOf(
  job: FinetuneJob,
  graph: Graph,
  { classes = [] }: Dataset,
  log: WarningLog,
): Promise<readonly Label[] | undefined> {
  if (job.labels !== undefined || classes.length === 0) {
    return await readLabels(job.labels, graph, log.add);
  }
  return classes.map((name, index) => ({ id: String(index), name }));
}

function iterationsOf(
  name: StageName,
  { job, train }: Scene,
): { readonly iterations: number; readonly perEpoch: number } {
  const perEpoch = Math.max(1, Math.round(train.samples.length / job.batch));
  return { iterations: Math.round(job.stages[name].epochs * perEpoch), perEpoch };
}

async function trainAll(start: Graph, head: string | undefined, scene: Scene): Promise<Trained> {
  const { job, target, log } = scene;
  const raw = rawPixels(job.preprocess);
  const bits = target.inputBits;
  const factors = headFactors(head);
  // Where layers lie does not depend on their weights: what the chip cannot hold is refused before hours of training.
  const waived = checkRules(mappingOf(start, scene, log.add), scene);
  const float = await trained("float", start, (net) => net, job.preprocess, factors, scene);
  if (scene.stages.length > 0) await writeFloatFiles(join(job.out, "float"), float, log.add);
  const first = mappingOf(float, scene, silent);
  const rounded = withRoundedConvolutions(float, first, target);
  const front = (net: Graph): Graph => withChipPixels(net, job.preprocess, bits);
  scene.teacher = job.distill && {
    ...job.distill,
    graph: verify(canonicalize(float), "canonical"),
    preprocess: job.preprocess,
  };
  const convolutions = await trained("convolutions", rounded, front, raw, undefined, scene);
  const { activationBits = 5 } = job.chip;
  const few = someOf(scene.train, calibrationPictures);
  const measured = await calibratedCaps(
    first,
    { method: defaultCapMethod, percent: 99.9, activationBits },
    {
      ...{ dataset: few, preprocess: raw, runtime: scene.runtime },
      ...{ onProgress: scene.context.onProgress, onWarning: log.add },
    },
    front(convolutions),
  );
  const capped = withRoundedActivations(convolutions, measured, activationBits);
  const caps = capFactors(job.learnCaps);
  const activations = await trained("activations", capped, front, raw, caps, scene);
  const mapping = mappingOf(asFloat(activations, float), scene, silent);
  const tied = tieCaps(capsOf(activations), capGroups(mapping));
  const entry = entryOf(mapping, target, tied);
  const refined = refine(mapping, target, {
    caps: tied,
    input: inputUnits(mapping, target, entry, job.preprocess),
    activationBitMode: bitMode({
      activationBits,
      ...(job.chip.lastTenBits !== undefined && { lastTenBits: job.chip.lastTenBits }),
    }),
  });
  const leveled = (net: Graph): Graph => withLevelInput(net, bits);
  const fixed = fusedFactors(mapping);
  const last = await trained("fused", refined.graph, leveled, raw, fixed, scene);
  return {
    ...{ target, float, mapping, waived, stages: scene.stages, fused: leveled(last) },
    refined: { ...refined, graph: last },
    stopped: scene.stages.some(([, { stopped }]) => stopped),
  };
}

/** The network after one step: its graph with the weights that did best. */
async function trained(
  name: StageName,
  graph: Graph,
  front: (graph: Graph) => Graph,
  preprocess: FinetuneJob["preprocess"],
  factors: TrainableOptions["factors"],
  scene: Scene,
): Promise<Graph> {
  const { job, context, stages } = scene;
  const plan = job.stages[name];
  const { iterations, perEpoch } = iterationsOf(name, scene);
  const asked = { ...plan, batch: job.batch, momentum: job.momentum, decay: job.weightDecay };
  const { augment, learnCaps, distill, limits } = job;
  const options = { ...asked, augment, learnCaps, distill, limits, seed: context.seed };
  scene.inputs = hashOf([scene.inputs, name, JSON.stringify(options), JSON.stringify(job.chip)]);
  if (iterations === 0 || stages.some(([, { stopped }]) => stopped)) return graph;
  const result = await runStage(
    {
      ...{ name: `${stages.length + 1}-${name}`, graph: front(graph), preprocess, iterations },
      ...{ momentum: job.momentum, weightDecay: job.weightDecay, inputs: scene.inputs },
      ...{ teacher: scene.teacher, limits: job.limits },
      trainable: { statisticsFraction, ...(factors && { factors }) },
      testEvery: Math.min(perEpoch, iterations),
      schedule: { policy: "poly", base: plan.rate, power: 1, maxIterations: iterations },
    },
    stageScene(scene),
  );
  stages.push([name, result]);
  return withTensorsOf(graph, result.graph);
}

function stageScene({ job, context, log, runtime, train, test }: Scene): StageScene {
  return {
    ...{ work: job.work ?? join(job.out, "training"), train, test, runtime },
    ...{ batch: job.batch, augment: job.augment, seed: context.seed, saveEvery: 200 },
    ...{ onProgress: context.onProgress, onWarning: log.add },
    ...{ shouldStop: job.shouldStop, onTest: job.onTest },
  };
}

/** What training begins with. */
function startOf(
  graph: Graph,
  train: Dataset,
  { ownClasses, fromScratch }: FinetuneJob,
  seed: number,
): { readonly graph: Graph; readonly head: string | undefined } {
  const begun = fromScratch ? randomWeights(graph, seed) : graph;
  if (!ownClasses) return { graph: begun, head: undefined };
  const classes = train.classes?.length ?? 0;
  if (classes < 2) {
    throw inputError("the pictures do not tell their classes", {
      where: train.source,
      expected: "a folder with one folder per class, two at least",
      got: `${classes}`,
    });
  }
  const { graph: made, layer } = withClasses(begun, classes, seed);
  return { graph: made, head: layer };
}

/** Every picture has a label, and the network a score for it. */
function checkClasses(graph: Graph, datasets: readonly Dataset[]): void {
  const shape = inferTypes(graph).get(graph.outputs[0]?.id ?? "")?.shape ?? [];
  const classes = elementCount(shape.slice(1));
  for (const dataset of datasets) {
    checkLabels(dataset);
    const wrong = dataset.samples.find(
      ({ label }) => label === undefined || !(label >= 0 && label < classes),
    );
    if (wrong === undefined) continue;
    throw inputError(
      wrong.label === undefined ? "a picture has no label" : "a label is out of range",
      {
        where: `${dataset.source}: ${wrong.name}`,
        expected: `0..${classes - 1}`,
        got: `${wrong.label ?? "none"}`,
        hint: "Labels count from 0; for classes of your own give --classes FOLDER",
      },
    );
  }
}

/** The float network on the chip. What there is to warn of is the same before and after training. */
function mappingOf(graph: Graph, { job, target }: Scene, onWarning: OnWarning): ChipMapping {
  const float = verify(canonicalize(graph), "canonical");
  return chooseMapping(float, target, job.chip, undefined, onWarning).mapping;
}

/** The waived rules that the network breaks. An input error tells every other one. */
function checkRules(mapping: ChipMapping, { job, target, log }: Scene): readonly string[] {
  const rules = { waive: new Set(job.chip.waive), chips: job.chip.chips ?? 1 };
  return refuseViolations(violationsOf(mapping, mapping.layout, target, rules), log.add);
}

/** A new last layer learns faster. Biases get no weight decay. */
function headFactors(head: string | undefined): TrainableOptions["factors"] {
  if (head === undefined) return undefined;
  return (node, input) => {
    if (node.id !== head) return undefined;
    return { lrMult: headFactor * input, decayMult: input === 1 ? 1 : 0 };
  };
}

/** Caps get no weight decay; fixed ones do not learn. */
function capFactors(learn: boolean): TrainableOptions["factors"] {
  return (node) => (node.op === "quantRelu" ? { lrMult: learn ? 1 : 0, decayMult: 0 } : undefined);
}

/** Of the refined network neither caps learn nor the units that give the host real values. */
function fusedFactors({ graph }: ChipMapping): TrainableOptions["factors"] {
  const own = nodeMap(graph);
  const frozen = { lrMult: 0, decayMult: 0 };
  return (node) => {
    const isUnit = node.op === "scale" && !own.has(node.id);
    return isUnit || node.op === "quantRelu" ? frozen : undefined;
  };
}

/** Of names and labels: other pictures under the same names are taken for the same. */
function samplesHash({ samples }: Dataset): string {
  return hashOf(samples.map(({ name, label }) => `${name} ${label}`));
}

function hashOf(parts: readonly string[]): string {
  return hashText(parts.join("\n"));
}
