/**
 * `inlay test`: losses and accuracies of a trained network on its own data layer, as `caffe test` prints them.
 */
import { pid } from "node:process";
import { nodeRuntime } from "../engine/runtime.node.ts";
import { inputError, usageError } from "../error.ts";
import { initialState } from "../ir/training-state.ts";
import { accuracyOf } from "../report/accuracy.ts";
import { finite } from "../report/json.ts";
import type { TestReport } from "../report/train.ts";
import { type Evaluated, evaluateNetwork } from "../train/evaluate-network.ts";
import { readFileBounded } from "./files.node.ts";
import { located } from "./located.ts";
import type { JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";
import { batchLines, glogPrefix, meanLines } from "./train/caffe-log.ts";
import { maxTextBytes } from "./train/find-file.node.ts";
import type { TestJob } from "./train/jobs.ts";
import { openNetwork } from "./train/open-network.node.ts";
import { readWeights } from "./train/solver-file.node.ts";

/** Measures over `iterations` batches. Input errors name the file. */
export function testJob(job: TestJob, context: JobContext): Promise<TestReport> {
  return located([job.model, ...job.weights], () => test(job, context));
}

async function test(job: TestJob, context: JobContext): Promise<TestReport> {
  const began = performance.now();
  const log = warningLog(context);
  const { model, weights, iterations } = job;
  if (!(Number.isInteger(iterations) && iterations >= 1)) {
    throw usageError("--iterations must be a positive integer", { got: `${iterations}` });
  }
  const say = (lines: readonly string[]): void => {
    const prefix = glogPrefix(new Date(), pid, "caffe.cpp");
    for (const line of lines) job.onLine?.(prefix + line);
  };
  const prototxt = { name: model, bytes: await readFileBounded(model, maxTextBytes) };
  const { fed, data } = await openNetwork(prototxt, {
    ...{ phase: job.phase, folder: job.folder, seed: context.seed, batches: iterations },
    state: { level: job.level ?? 0, stages: job.stages ?? [] },
    caffemodel: await readWeights(weights),
    onWarning: log.add,
  });
  if (fed.network.losses.length + fed.network.accuracies.length === 0) {
    throw inputError("the network has no loss and no accuracy to test", { where: model });
  }
  say([`Running for ${iterations} iterations.`]);
  const source = { ...data, batch: data.batchSize };
  const found = await evaluateNetwork(
    fed,
    initialState(fed.network),
    source,
    await nodeRuntime(context),
    {
      ...{ label: "test", shouldStop: job.shouldStop },
      ...{ onProgress: context.onProgress, onWarning: log.add },
      onBatch: (batch, outputs) => say(batchLines(batch, outputs)),
    },
  );
  if (found !== undefined) say(meanLines(found.loss, found.outputs));
  return {
    schema: "inlay.test/1",
    ...{ model, weights, images: data.source },
    ...partsOf(found),
    stopped: found === undefined,
    seconds: (performance.now() - began) / 1000,
    warnings: log.all(),
  };
}

type Parts = Pick<TestReport, "iterations" | "samples" | "loss" | "outputs" | "accuracies">;

function partsOf(found: Evaluated | undefined): Parts {
  if (found === undefined) {
    return { iterations: 0, samples: 0, loss: null, outputs: [], accuracies: [] };
  }
  return {
    ...{ iterations: found.batches, samples: found.samples, loss: finite(found.loss) },
    outputs: found.outputs.map(({ name, value, weight }) => ({
      ...{ name, value: finite(value), weight: weight ?? null },
    })),
    accuracies: found.counts
      .filter(({ total }) => total > 0)
      .map(({ name, correct, total }) => ({ name, total, ...accuracyOf(correct, total) })),
  };
}
