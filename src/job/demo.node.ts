/**
 * `inlay demo`: the whole job on an example that needs no files. Pictures are drawn, a network is trained on them from
 * random weights, and then the same jobs run that a user's own network would go through: for a chip of few bits with
 * and without training, and as 8-bit integers.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import { writeCaffe } from "../formats/caffe/write.ts";
import { lowerToOnnx } from "../formats/onnx/lower.ts";
import type { Warning } from "../notice.ts";
import { defaultQuantizeOptions } from "../quantize/options.ts";
import type { DemoReport, JobReport } from "../report/reports.ts";
import { compareJob } from "./compare.node.ts";
import { defaultCalibrationMethod, defaultThresholdDb } from "./defaults.ts";
import { demoClasses, demoFile } from "./demo-images.ts";
import { demoInput, demoNetwork } from "./demo-network.ts";
import { evaluateJob } from "./evaluate.node.ts";
import { writeFileAtomic, writeFolderAtomic } from "./files.node.ts";
import type { FinetuneJob } from "./finetune/fine-tune.ts";
import { finetuneJob } from "./finetune.node.ts";
import { inspectJob } from "./inspect.node.ts";
import { loadModel } from "./load-model.node.ts";
import type { ChipOptions, JobContext, QuantizeJob } from "./options.ts";
import { quantizeChipJob, quantizeJob } from "./quantize.node.ts";

export type DemoJob = {
  /** Folder for everything: pictures, networks, and a folder for each way that the network goes. */
  readonly out: string;
};

const trainingPictures = 3000;
const testPictures = 1000;
const calibrationPictures = 250;
const comparedPictures = 50;
/** Deviation of the pictures' noise in steps of 0..255: makes the task neither trivial nor hopeless. */
const noise = 64;

/** No mean: the chip pads with black, and a network that subtracts a mean would have been padded with grey. */
const preprocess: Preprocess = { ...defaultPreprocess, crop: demoInput, scale: 1 / 128 };

const target = "gti2803";
/** The fewest that the chip has, where training matters most. */
const chip: ChipOptions = { bits: 2, waive: [] };

const training = {
  stages: {
    float: { epochs: 4, rate: 0.1 },
    convolutions: { epochs: 1, rate: 0.01 },
    activations: { epochs: 1, rate: 0.01 },
    fused: { epochs: 1, rate: 0.001 },
  },
  ...{ batch: 32, momentum: 0.9, weightDecay: 1e-4 },
} as const;

/** What is as it should be here: a network that has no weights yet, and what 2 bits cost where nothing was trained. */
const expectedWarnings: ReadonlySet<string> = new Set([
  ...["no-weights", "drowned", "vanished-kernels"],
]);

type Files = {
  readonly train: string;
  readonly test: string;
  /** The network before training. */
  readonly prototxt: string;
  /** The same with the weights of the float training. */
  readonly network: string;
};

/** Makes the example in `job.out` and does everything with it. The seed decides pictures and weights. */
export async function runDemo({ out }: DemoJob, given: JobContext): Promise<DemoReport> {
  const started = performance.now();
  const context = withoutExpected(given);
  const [train, test] = [join(out, "train.bin"), join(out, "test.bin")];
  const [prototxt, network] = [join(out, "network.prototxt"), join(out, "network.onnx")];
  const files: Files = { train, test, prototxt, network };
  await writeExample(out, context.seed);
  const job = finetuneOf(out, files);
  // A demo shows training: what an earlier one learned is not taken up.
  await rm(join(job.out, "training"), { recursive: true, force: true });
  const finetune = await finetuneJob(job, context);
  await writeFileAtomic(network, await floatNetwork(job.out));
  const untuned = await quantizeChipJob(
    { ...quantizeOf(files), target, chip, out: join(out, "untuned") },
    context,
  );
  const int8 = await asIntegers(join(out, "quantized"), files, context);
  const { inspect, quantize } = int8;
  const parts = [finetune, untuned, inspect, quantize, int8.evaluate.quantized, int8.compare];
  return {
    schema: "inlay.demo/1",
    ...{ out, finetune, untuned, int8 },
    seconds: (performance.now() - started) / 1000,
    warnings: parts.flatMap((part) => part?.warnings ?? []).filter(isUnexpected),
  };
}

function isUnexpected({ id }: Pick<Warning, "id">): boolean {
  return !expectedWarnings.has(id);
}

function withoutExpected(context: JobContext): JobContext {
  return {
    ...context,
    onWarning: (warning) => {
      if (isUnexpected(warning)) context.onWarning?.(warning);
    },
  };
}

/** Two CIFAR binaries, the class names beside them, and the network. */
async function writeExample(out: string, seed: number): Promise<void> {
  const { prototxt } = writeCaffe(demoNetwork(demoClasses.length));
  await writeFolderAtomic(
    out,
    new Map<string, Uint8Array | string>([
      ["train.bin", demoFile(seed, 0, trainingPictures, noise)],
      ["test.bin", demoFile(seed, trainingPictures, testPictures, noise)],
      ["batches.meta.txt", demoClasses.map((name) => `${name}\n`).join("")],
      ["network.prototxt", prototxt],
    ]),
  );
}

function finetuneOf(out: string, { prototxt, train, test }: Files): FinetuneJob {
  return {
    ...{ model: [prototxt], target, chip, preprocess },
    ...{ train: { path: train }, test: { path: test } },
    ...{ fromScratch: true, ownClasses: false, learnCaps: false, augment: {} },
    ...training,
    out: join(out, "tuned"),
  };
}

function quantizeOf({ network, train, test }: Files): Omit<QuantizeJob, "target" | "out"> {
  return {
    model: [network],
    calibrate: { path: train, limit: calibrationPictures },
    evaluate: { path: test },
    preprocess,
    method: defaultCalibrationMethod,
    options: defaultQuantizeOptions,
  };
}

/** The float network that fine-tuning left, in one file. */
async function floatNetwork(tuned: string): Promise<Uint8Array> {
  const files = ["float.prototxt", "float.caffemodel"].map((name) => join(tuned, "float", name));
  const { graph } = await loadModel(files);
  return lowerToOnnx(graph, { batch: "symbolic", outputNames: "outputs" });
}

/** Inspects the network, quantizes it to int8, and judges and compares what was written. */
async function asIntegers(out: string, files: Files, context: JobContext): Promise<JobReport> {
  const { network, test } = files;
  const inspect = await inspectJob({ model: [network] }, context);
  const quantize = await quantizeJob({ ...quantizeOf(files), target: "int8", out }, context);
  const simulated = await evaluateJob({ model: [out], images: { path: test } }, context);
  const images = { path: test, limit: comparedPictures };
  const compare = await compareJob({ out, images, thresholdDb: defaultThresholdDb }, context);
  return {
    schema: "inlay.report/1",
    title: "demo",
    inspect,
    calibrate: null,
    quantize,
    evaluate: { float: null, quantized: simulated },
    compare,
    histograms: [],
    reproduction: null,
  };
}
