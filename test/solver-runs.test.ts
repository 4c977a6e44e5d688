/**
 * Whole training runs of the reference, repeated: the losses of 20 iterations, the learning rates and the blobs at the end.
 */
import { afterAll, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { readPrototxt } from "../src/formats/caffe/files.ts";
import { readTraining } from "../src/formats/caffe/read-training.ts";
import type { TrainingNetwork } from "../src/ir/training.ts";
import { initialState } from "../src/ir/training-state.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import { learningRate } from "../src/train/solver/learning-rate.ts";
import { readSolver, type SolverSettings } from "../src/train/solver/settings.ts";
import { openTrainer, type RunState, startRun } from "../src/train/trainer.ts";
import { readVectors, type VectorCase, vectorsFolder } from "./vectors.ts";

const cases = vectorsFolder === undefined ? [] : readVectors(vectorsFolder, "solver");
const iterations = 20;

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

function settingsOf({ params }: VectorCase): SolverSettings {
  const text = [
    `${params["solver"]} type:"${params["solver_type"]}" iter_size:${params["iter_size"]}`,
    `net:"net.prototxt" max_iter:${iterations} random_seed:1`,
  ].join(" ");
  const message = readPrototxt(
    "SolverParameter",
    { name: "solver", bytes: encode(text) },
    () => {},
  );
  return readSolver(message, "solver.prototxt");
}

/** The reference decays caps; ours are not, unless the prototxt says so. */
function withDecayedCaps(network: TrainingNetwork): TrainingNetwork {
  const parameters = network.parameters.map((one) =>
    one.key.startsWith("relu") ? { ...one, decayMult: 1 } : one,
  );
  return { ...network, parameters };
}

function networkOf({ params }: VectorCase): TrainingNetwork {
  const prototxt = { name: "net.prototxt", bytes: encode(`${params["prototxt"]}`) };
  return withDecayedCaps(readTraining({ prototxt, phase: "TRAIN", seed: 1 }));
}

/** The reference's initial blobs in place of our own. */
function startOf(one: VectorCase, network: TrainingNetwork, settings: SolverSettings): RunState {
  const values = new Map(initialState(network));
  for (const [key, { shape }] of values) {
    const given = one.inputs[`init/${key}`];
    expect(given?.data.length, key).toBe(values.get(key)?.data.length);
    values.set(key, float32(shape, given?.data as Float32Array));
  }
  return startRun(network, settings, values);
}

/** Row `iteration` of a tensor [20, ...]. */
function row(tensor: Tensor | undefined, iteration: number): Tensor<"float32"> {
  const [count = 1, ...shape] = tensor?.shape ?? [];
  const size = (tensor?.data.length ?? 0) / count;
  const data = Float32Array.from({ length: size }, (_, at) =>
    Number(tensor?.data[iteration * size + at]),
  );
  return float32(shape, data);
}

async function runCase(one: VectorCase): Promise<{
  readonly losses: readonly number[];
  readonly state: RunState;
  readonly settings: SolverSettings;
}> {
  const settings = settingsOf(one);
  const network = networkOf(one);
  const trainer = await openTrainer(network, settings, await nodeRuntime({ threads: 1 }), 1);
  try {
    let state = startOf(one, network, settings);
    const losses: number[] = [];
    for (let iteration = 0; iteration < iterations; iteration += 1) {
      const feeds = new Map([
        ["data", row(one.inputs["data"], iteration)],
        ["label", row(one.inputs["label"], iteration)],
      ]);
      const done = await trainer.iterate(state, async () => feeds);
      losses.push(done.total);
      state = done.state;
    }
    return { losses, state, settings };
  } finally {
    await trainer.release();
  }
}

const relative = (found: number, wanted: number): number =>
  Math.abs(found - wanted) / Math.max(1e-12, Math.abs(wanted));

describe.skipIf(cases.length === 0)("training runs of the reference", () => {
  const worst = new Map<string, string>();
  afterAll(() => {
    for (const [name, text] of worst) process.stdout.write(`${name}: ${text}\n`);
  });

  it.each(cases.map((one) => [one.name, one] as const))("%s", async (name, one) => {
    const { losses, state, settings } = await runCase(one);
    const isQuantized = name.startsWith("q") && !name.endsWith("quant_float");
    const [compared, tolerance] = isQuantized ? [10, 1e-3] : [iterations, 1e-5];
    const wanted = one.outputs["loss"]?.data ?? [];
    const errors = losses.map((loss, at) => relative(loss, Number(wanted[at])));
    const rates = (one.params["lr"] as unknown as readonly number[]).map((rate, at) =>
      relative(learningRate(settings.schedule, at), rate),
    );
    let blobs = 0;
    for (const [key, value] of state.values) {
      const final = one.outputs[`final/${key}`];
      if (final === undefined) continue;
      const reference = Float64Array.from(final.data as Float32Array);
      const largest = Math.max(...reference.map(Math.abs), 1e-12);
      for (const [at, x] of value.data.entries()) {
        blobs = Math.max(blobs, Math.abs(x - (reference[at] ?? Number.NaN)) / largest);
      }
    }
    worst.set(
      name,
      `losses ${Math.max(...errors.slice(0, compared)).toExponential(1)} of the first ${compared}, ${Math.max(...errors).toExponential(1)} of all; blobs ${blobs.toExponential(1)}`,
    );
    expect(Math.max(...rates)).toBeLessThan(1e-5);
    expect(Math.max(...errors.slice(0, compared))).toBeLessThan(tolerance);
    if (!isQuantized) expect(blobs).toBeLessThan(1e-4);
  });
});
