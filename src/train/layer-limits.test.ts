import { expect, test } from "vitest";
import { nodeRuntime } from "../engine/runtime.node.ts";
import type { Graph } from "../ir/graph.ts";
import { initialState } from "../ir/training-state.ts";
import { createRandom } from "../tensor/random.ts";
import { float32 } from "../tensor/tensor.ts";
import { constraintsOf } from "./layer-limits.ts";
import type { LayerLimits, UpdateSettings } from "./solver/settings.ts";
import { trainable } from "./trainable.ts";
import { openTrainer, startRun } from "./trainer.ts";

const random = createRandom(1);
const draw = (count: number, scale: number): Float32Array =>
  Float32Array.from({ length: count }, () => scale * random.normal());
const weight = float32([3, 2, 3, 3], draw(54, 0.05));
const bias = float32([3], [2, -0.5, 0.01]);

const graph: Graph = {
  name: "net",
  nodes: [
    {
      ...{ op: "input", id: "x", inputs: [] },
      attrs: { dtype: "float32", shape: [4, 2, 6, 6] },
    },
    { op: "const", id: "w", inputs: [], attrs: { tensor: weight } },
    { op: "const", id: "b", inputs: [], attrs: { tensor: bias } },
    {
      ...{ op: "conv", id: "conv", inputs: ["x", "w", "b"] },
      attrs: { stride: [1, 1], pads: [1, 1, 1, 1], dilation: [1, 1], groups: 1 },
    },
    { op: "globalAvgPool", id: "mean", inputs: ["conv"], attrs: {} },
    { op: "flatten", id: "flat", inputs: ["mean"], attrs: { axis: 1, endAxis: -1 } },
  ],
  outputs: [{ name: "flat", id: "flat" }],
  opsets: {},
};

const settings: UpdateSettings = {
  ...{ rule: "SGD", schedule: { policy: "fixed", base: 0.5 }, momentum: 0.9, weightDecay: 0 },
  ...{ regularization: "L2", iterSize: 1, clipGradients: undefined, delta: 1e-8 },
  ...{ momentum2: 0.999, rmsDecay: 0.99 },
};

/** Weight and bias after five iterations. */
async function trained(limits: LayerLimits | undefined): Promise<readonly [number[], number[]]> {
  const network = trainable(graph, { statisticsFraction: 0.9 });
  const told = { ...settings, limits };
  const trainer = await openTrainer(network, told, await nodeRuntime({ threads: 1 }), 1);
  let state = startRun(network, told, initialState(network));
  const feeds = new Map([
    ["x", float32([4, 2, 6, 6], draw(288, 1))],
    ["label", float32([4], [0, 1, 2, 0])],
  ]);
  for (let at = 0; at < 5; at += 1) {
    state = (await trainer.iterate(state, async () => feeds)).state;
  }
  await trainer.release();
  const values = (key: string): number[] => [...(state.values.get(key)?.data ?? [])];
  return [values("conv/0"), values("conv/1")];
}

const peak = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
const norms = (weights: readonly number[]): number[] =>
  [0, 1, 2].map((out) => Math.hypot(...weights.slice(18 * out, 18 * out + 18)));

test("biases stay within the largest weight, and norms within their limit", async () => {
  const [w, b] = await trained({ clipBias: true, maxNorm: 0.2 });
  expect(peak(b)).toBeLessThanOrEqual(peak(w) * (1 + 1e-6));
  expect(Math.max(...norms(w))).toBeLessThanOrEqual(0.2 * (1 + 1e-6));
});

test("without limits nothing is held", async () => {
  const [w, b] = await trained(undefined);
  expect(peak(b)).toBeGreaterThan(peak(w));
  expect(Math.max(...norms(w))).toBeGreaterThan(0.2);
});

test("only learned blobs are limited", () => {
  const frozen = trainable(graph, {
    statisticsFraction: 0.9,
    factors: (_, input) => (input === 2 ? { lrMult: 0, decayMult: 0 } : undefined),
  });
  expect(constraintsOf(frozen, { clipBias: true })).toEqual([]);
  expect(constraintsOf(frozen, { clipBias: true, maxNorm: 3 })).toEqual([
    { kind: "maxNorm", weight: "conv/0", axis: 0, limit: 3 },
  ]);
});
