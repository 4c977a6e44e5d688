/**
 * `inlay demo`: the whole job on an example that needs no files: pictures are drawn, a network is
 * fitted to them, and then the same jobs run that a user's own network would go through.
 */
import { join } from "node:path";
import { batches } from "../data/batch.ts";
import { openDataset } from "../data/open.node.ts";
import { defaultPreprocess, type Preprocess } from "../data/preprocess.ts";
import { nodeRuntime } from "../engine/runtime.node.ts";
import { workError } from "../error.ts";
import { lowerToOnnx } from "../formats/onnx/lower.ts";
import type { Graph } from "../ir/graph.ts";
import { defaultQuantizeOptions } from "../quantize/options.ts";
import type { JobReport } from "../report/reports.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import { compareJob } from "./compare.node.ts";
import { defaultCalibrationMethod, defaultThresholdDb } from "./defaults.ts";
import { demoClasses, demoFile } from "./demo-images.ts";
import { demoFeatures, featuresId, withHead } from "./demo-network.ts";
import { evaluateJob } from "./evaluate.node.ts";
import { writeFolderAtomic } from "./files.node.ts";
import { inspectJob } from "./inspect.node.ts";
import { fitLinear } from "./least-squares.ts";
import type { JobContext } from "./options.ts";
import { quantizeJob } from "./quantize.node.ts";

export type DemoJob = {
  /** Folder for pictures, network and, in `quantized/`, the result. */
  readonly out: string;
};

const trainingPictures = 3000;
const testPictures = 1000;
const calibrationPictures = 250;
const comparedPictures = 50;
/** Deviation of the pictures' noise in steps of 0..255: makes the task neither trivial nor hopeless. */
const noise = 16;
/** Regularization of the last layer, relative to the mean variance of its inputs. */
const ridge = 0.1;

const preprocess: Preprocess = { ...defaultPreprocess, mean: [127.5], scale: 1 / 64 };

/** Makes the example in `job.out` and does everything with it. The seed decides pictures and weights. */
export async function runDemo(job: DemoJob, context: JobContext): Promise<JobReport> {
  const { out } = job;
  const [train, test, network] = ["train.bin", "test.bin", "network.onnx"].map((name) =>
    join(out, name),
  ) as [string, string, string];
  await writePictures(out, context.seed);
  await writeNetwork(out, await fitNetwork(train, context));
  const model = [network];
  const quantized = join(out, "quantized");
  const inspect = await inspectJob({ model }, context);
  const quantize = await quantizeJob(
    {
      model,
      target: "int8",
      calibrate: { path: train, limit: calibrationPictures },
      evaluate: { path: test },
      preprocess,
      method: defaultCalibrationMethod,
      options: defaultQuantizeOptions,
      out: quantized,
    },
    context,
  );
  const simulated = await evaluateJob({ model: [quantized], images: { path: test } }, context);
  const images = { path: test, limit: comparedPictures };
  const compare = await compareJob(
    { out: quantized, images, thresholdDb: defaultThresholdDb },
    context,
  );
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

/** Two CIFAR binaries and the class names beside them. */
async function writePictures(out: string, seed: number): Promise<void> {
  await writeFolderAtomic(
    out,
    new Map<string, Uint8Array | string>([
      ["train.bin", demoFile(seed, 0, trainingPictures, noise)],
      ["test.bin", demoFile(seed, trainingPictures, testPictures, noise)],
      ["batches.meta.txt", demoClasses.map((name) => `${name}\n`).join("")],
    ]),
  );
}

async function writeNetwork(out: string, graph: Graph): Promise<void> {
  const bytes = lowerToOnnx(graph, { batch: "symbolic", outputNames: "outputs" });
  await writeFolderAtomic(out, new Map([["network.onnx", bytes]]));
}

/** Runs the random convolutions over the training pictures and fits the last layer to the labels. */
async function fitNetwork(train: string, context: JobContext): Promise<Graph> {
  const features = demoFeatures(context.seed);
  const dataset = await openDataset(train, { seed: context.seed, onWarning: context.onWarning });
  const session = await openSession(
    withPictureInput(features, preprocess),
    await nodeRuntime(context),
  );
  const rows: Float32Array[] = [];
  const targets: number[] = [];
  try {
    const [inputId = ""] = session.inputs;
    const reading = { batch: 50, readAhead: 1 };
    for await (const batch of batches(dataset, preprocess, pictureSize(features), reading)) {
      const values = (await session.run(new Map([[inputId, batch.images]]))).get(featuresId);
      if (values?.dtype !== "float32") throw workError("the features were not computed");
      rows.push(values.data);
      // One column per class: 1 for its own pictures, -1 for the others.
      for (const label of batch.labels) {
        targets.push(...demoClasses.map((_, index) => (index === label ? 1 : -1)));
      }
      const done = targets.length / demoClasses.length;
      context.onProgress?.({ label: "fit", done, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return withHead(
    features,
    fitLinear(joined(rows), Float64Array.from(targets), dataset.samples.length, ridge),
  );
}

function joined(rows: readonly Float32Array[]): Float64Array {
  const whole = new Float64Array(rows.reduce((length, row) => length + row.length, 0));
  let start = 0;
  for (const row of rows) {
    whole.set(row, start);
    start += row.length;
  }
  return whole;
}
