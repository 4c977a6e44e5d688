/**
 * Runs training steps: feeds state, data and the iteration's numbers to the step's models, and gives the state after it.
 * The state is a value: what an iteration was given stays as it was, so that a failed one can be looked into.
 */
import type { Runtime, Session, Values } from "../engine/runtime.ts";
import { inputError, workError } from "../error.ts";
import { describe, nodesOf } from "../ir/graph.ts";
import type { TrainingNetwork } from "../ir/training.ts";
import { createRandom, textSeed } from "../tensor/random.ts";
import { elementCount } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { findKernels } from "./find-kernels.ts";
import { learnedKeys, learnedParameters } from "./learned-parameters.ts";
import type { UpdateSettings } from "./solver/settings.ts";
import { historiesOf, stepScalars } from "./solver/updates.ts";
import {
  buildStep,
  historyKey,
  nextName,
  type StepPart,
  scoresName,
  sumKey,
  type TrainingStep,
} from "./step.ts";
import type { DropoutMask } from "./step-model.ts";

/** A run between two iterations: parameters, sums of batch norms and histories, by key. */
export type RunState = {
  /** Iterations done. */
  readonly iteration: number;
  readonly values: ReadonlyMap<string, Tensor<"float32">>;
};

/** The graph's inputs of one pass. Passes count from 0 over the whole run: `iter_size` of them are an iteration. */
export type PassFeeds = (pass: number) => Promise<Values>;

export type Iteration = {
  readonly state: RunState;
  /** Value of each loss, the mean over the passes, in the network's order. */
  readonly losses: readonly number[];
  /** `sum(weight * loss)`: what is minimized. */
  readonly total: number;
  /** Of the last pass. */
  readonly last: PassValues;
};

type PassValues = {
  /** Value of each loss, in the network's order. */
  readonly losses: readonly number[];
  /** What accuracies are measured on, by id. */
  readonly scores: Values;
};

export type Trainer = {
  readonly iterate: (state: RunState, feeds: PassFeeds) => Promise<Iteration>;
  readonly release: () => Promise<void>;
};

type Loaded = { readonly step: TrainingStep; readonly session: Session };

/** Builds and loads the step's models. `seed` decides the dropout masks. */
export async function openTrainer(
  network: TrainingNetwork,
  settings: UpdateSettings,
  runtime: Runtime,
  seed: number,
): Promise<Trainer> {
  const kernels = await findKernels(runtime);
  const load = async (part: StepPart): Promise<Loaded> => {
    const step = buildStep(network, settings, part, kernels);
    return { step, session: await runtime.load(step.model) };
  };
  const { iterSize } = settings;
  const caps = learnedCaps(network);
  const last = await load(iterSize === 1 ? "whole" : "apply");
  const early = iterSize === 1 ? undefined : await load("accumulate");
  const masksOf = maskMaker(seed);
  const runPass = async (
    { step, session }: Loaded,
    values: Map<string, Tensor>,
    pass: number,
    feeds: PassFeeds,
  ): Promise<PassValues> => {
    const scalars = stepScalars(settings, Math.floor(pass / iterSize));
    const given = new Map(await feeds(pass));
    for (const mask of step.masks) given.set(mask.name, masksOf(mask, pass));
    for (const name of step.scalars) given.set(name, float32([], [scalars.get(name) ?? 0]));
    for (const key of step.reads) given.set(key, stateValue(values, key));
    const results = await session.run(given);
    for (const key of step.writes) values.set(key, stateValue(results, nextName(key)));
    const scores = network.accuracies.map(
      ({ scores: id }) => [id, stateValue(results, scoresName(id))] as const,
    );
    return {
      losses: step.losses.map((name) => Number(stateValue(results, name).data[0])),
      scores: new Map(scores),
    };
  };
  return {
    iterate: async (state, feeds) => {
      const values = new Map<string, Tensor>(state.values);
      const first = state.iteration * iterSize;
      if (early !== undefined) {
        for (const { key } of learnedParameters(network)) {
          const { shape } = stateValue(values, key);
          values.set(sumKey(key), float32(shape, new Float32Array(elementCount(shape))));
        }
      }
      const losses = network.losses.map(() => 0);
      let pass: PassValues = { losses: [], scores: new Map() };
      for (let at = 0; at < iterSize; at += 1) {
        const loaded = early !== undefined && at < iterSize - 1 ? early : last;
        pass = await runPass(loaded, values, first + at, feeds);
        for (const [index, loss] of pass.losses.entries())
          losses[index] = (losses[index] ?? 0) + loss;
      }
      checkCaps(caps, values, state.iteration);
      const means = losses.map((loss) => loss / iterSize);
      return {
        state: {
          iteration: state.iteration + 1,
          values: kept(state.values, values),
        },
        losses: means,
        total: means.reduce((sum, loss, at) => sum + loss * (network.losses[at]?.weight ?? 1), 0),
        last: pass,
      };
    },
    release: async () => {
      await last.session.release();
      await early?.session.release();
    },
  };
}

/** Keys of the caps that a solver changes, with their activations. */
function learnedCaps(network: TrainingNetwork): ReadonlyMap<string, string> {
  const keys = learnedKeys(network);
  return new Map(
    nodesOf(network.graph, "quantRelu").flatMap((node) => {
      const key = keys.get(node.inputs[1] ?? "");
      return key === undefined ? [] : [[key, describe(node)] as const];
    }),
  );
}

/** An activation whose cap is not above 0 has no levels: its arithmetic is not defined. */
function checkCaps(
  caps: ReadonlyMap<string, string>,
  values: ReadonlyMap<string, Tensor>,
  iteration: number,
): void {
  for (const [key, node] of caps) {
    const data = values.get(key)?.data ?? [];
    const low = Array.from(data, Number).find((cap) => cap <= 0);
    if (low === undefined) continue;
    throw inputError("a cap that is learned has fallen to 0 or below", {
      ...{ where: `iteration ${iteration}`, node, got: `${low}` },
      hint: "Lower the learning rate, or the cap's lr_mult; snapshots written before are good",
    });
  }
}

/** The state that a run begins with: the values, and histories of zeros where they have none. */
export function startRun(
  network: TrainingNetwork,
  settings: Pick<UpdateSettings, "rule">,
  values: ReadonlyMap<string, Tensor<"float32">>,
  iteration: number = 0,
): RunState {
  const all = new Map(values);
  for (const { key } of learnedParameters(network)) {
    const shape = values.get(key)?.shape ?? [];
    for (let index = 0; index < historiesOf(settings); index += 1) {
      const history = historyKey(key, index);
      if (!all.has(history)) {
        all.set(history, float32(shape, new Float32Array(elementCount(shape))));
      }
    }
  }
  return { iteration, values: all };
}

/** The state's own keys with their new values: sums of gradients within an iteration are dropped. */
function kept(before: RunState["values"], after: ReadonlyMap<string, Tensor>): RunState["values"] {
  return new Map(
    [...before].map(([key, value]) => {
      const next = after.get(key) ?? value;
      if (next.dtype !== "float32") throw workError("a value of the state is not float32");
      return [key, next];
    }),
  );
}

function stateValue(values: ReadonlyMap<string, Tensor>, key: string): Tensor {
  const value = values.get(key);
  if (value === undefined)
    throw workError("a value of the training state is missing", { got: key });
  return value;
}

/** Masks as a function of seed, pass and name: the same whatever else the network holds. */
function maskMaker(seed: number): (mask: DropoutMask, pass: number) => Tensor<"float32"> {
  return ({ name, shape, ratio }, pass) => {
    const random = createRandom(seed, pass, textSeed(name));
    const kept = 1 / (1 - ratio);
    const data = new Float32Array(elementCount(shape));
    for (let at = 0; at < data.length; at += 1) data[at] = random.unit() < ratio ? 0 : kept;
    return float32(shape, data);
  };
}
