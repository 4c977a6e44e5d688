/**
 * The fast simulation of layers that shift equals the scalar definition on every element: random layers over kernels,
 * strides, groups, weight styles, shifts, identities and accumulators.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node, ShiftOutput } from "../src/ir/ops.ts";
import { printGraph } from "../src/ir/print.ts";
import { accumulatorNeeds } from "../src/passes/accumulator-bounds.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { simulationOfIntegers } from "../src/run/simulate.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { type DType, float32, type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import {
  constant,
  type Draw,
  drawing,
  firstDifference,
  inputNode,
  nothing,
  type Style,
  samplePool,
  styledWeights,
} from "./shifted-cases.ts";

const layersTried = 500;
const exactLimit = 2 ** 24;

const layer = fc.record({
  seed: fc.nat(),
  groups: fc.constantFrom<1 | 2 | "depthwise">(1, 1, 2, "depthwise"),
  kernel: fc.constantFrom<readonly [number, number]>(
    [1, 1],
    [3, 3],
    [3, 3],
    [2, 3],
    [5, 1],
    [4, 5],
  ),
  stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })),
  dilation: fc.constantFrom(1, 1, 2),
  pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
  channels: fc.constantFrom(1, 3, 7, 16, 40, 64, 150, 200),
  outputs: fc.constantFrom(1, 5, 16),
  style: fc.constantFrom<Style>(1, 2, 3, 5, 8, 12),
  inputBits: fc.constantFrom(5, 10, 10),
  inputType: fc.constantFrom<"uint8" | "uint16" | "float32" | "int8">(
    ...(["uint8", "uint16", "float32", "float32", "int8"] as const),
  ),
  outputBits: fc.constantFrom(5, 10, 16),
  signed: fc.boolean(),
  shift: fc.integer({ min: -5, max: 15 }),
  identity: fc.constantFrom<"none" | "levels" | "sums">("none", "none", "levels", "sums"),
  identityShift: fc.integer({ min: -3, max: 12 }),
  kind: fc.constantFrom<"levels" | "accumulator">("levels", "levels", "levels", "accumulator"),
  accumulator: fc.constantFrom<"none" | "saturate" | "wrap">("none", "none", "saturate", "wrap"),
  bits: fc.integer({ min: 8, max: 30 }),
  bias: fc.constantFrom<"small" | "edge" | "huge">("small", "edge", "edge", "edge", "huge"),
});
type Layer = typeof layer extends fc.Arbitrary<infer T> ? T : never;

function values(dtype: DType, shape: Shape, next: () => number): Tensor {
  const list = Array.from({ length: elementCount(shape) }, next);
  switch (dtype) {
    case "uint8":
      return tensor(dtype, shape, Uint8Array.from(list));
    case "int8":
      return tensor(dtype, shape, Int8Array.from(list));
    case "uint16":
      return tensor(dtype, shape, Uint16Array.from(list));
    case "int32":
      return tensor(dtype, shape, Int32Array.from(list));
    default:
      return float32(shape, list);
  }
}

function outputOf(spec: Layer): ShiftOutput {
  if (spec.kind === "accumulator") return { kind: "accumulator" };
  const top = 2 ** spec.outputBits - 1;
  if (!spec.signed) return { kind: "levels", qMin: 0, qMax: top };
  const half = Math.min(top, 32_767);
  return { kind: "levels", qMin: -half - 1, qMax: half };
}

/** What is fed: levels of the input type and width, as a chip's input or a layer's output holds them. */
function inputOf(
  spec: Layer,
  shape: Shape,
  draw: Draw,
): { readonly nodes: Node[]; readonly x: Tensor } {
  const top = 2 ** spec.inputBits - 1;
  const [lo, hi] = { uint8: [0, 255], int8: [-128, 127], uint16: [0, top], float32: [0, top] }[
    spec.inputType
  ] as [number, number];
  // Full scale more often than by chance: that is where sums are largest.
  const x = values(spec.inputType, shape, () => (draw(0, 2) === 0 ? hi : draw(lo, hi)));
  const node = inputNode("x", x);
  if (spec.inputType === "uint8" || spec.inputType === "int8") return { nodes: [node], x };
  const levels: Node =
    spec.seed % 2 === 0 && spec.inputType === "float32"
      ? { op: "toLevels", id: "x.levels", inputs: ["x"], attrs: { step: 1, qMax: top } }
      : {
          op: "reduceBits",
          id: "x.levels",
          inputs: ["x"],
          attrs: { from: spec.inputBits, to: spec.inputBits },
        };
  return { nodes: [node, levels], x };
}

type Window = Extract<Node, { op: "conv" }>["attrs"];

/** The sums of products alone, exact. */
function exactSums(x: Tensor, shape: Shape, weights: Int16Array, attrs: Window): Tensor {
  const floats: Graph = {
    name: "sums",
    nodes: [
      inputNode("x", { dtype: "float32", shape: x.shape }),
      constant("w", float32(shape, Float32Array.from(weights))),
      { op: "conv", id: "y", inputs: ["x", "w"], attrs },
    ],
    outputs: [{ name: "y", id: "y" }],
    opsets: {},
  };
  const feeds = new Map([["x", float32(x.shape, toNumbers(x))]]);
  return runScalar(floats, feeds, { precision: "float64" }).get("y") ?? nothing;
}

/** Biases; `edge` ones put a pixel of each channel on a threshold between two levels, or right beside it. */
function biasOf(spec: Layer, sums: Tensor, draw: Draw): Int32Array {
  const [, outputs = 1, h = 1, w = 1] = sums.shape;
  return Int32Array.from({ length: outputs }, (_, out) => {
    if (spec.bias === "small") return draw(-5000, 5000);
    if (spec.bias === "huge") return draw(-(2 ** 31), 2 ** 31 - 1);
    const sum = Number(sums.data[out * h * w + draw(0, h * w - 1)]);
    const level = draw(0, Math.min(2 ** spec.outputBits - 1, 32_766));
    const threshold = Math.floor((level + 0.5) * 2 ** Math.max(spec.shift, 0));
    const bias = threshold + draw(-1, 1) - sum;
    return Math.min(Math.max(bias, -(2 ** 31)), 2 ** 31 - 1);
  });
}

type Case = {
  readonly graph: Graph;
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** Largest magnitude of a sum of products. */
  readonly largest: number;
};

function makeLayer(spec: Layer): Case {
  const draw = drawing(spec.seed);
  const groups = spec.groups === "depthwise" ? spec.channels : spec.groups;
  const channels = spec.groups === 2 ? spec.channels * 2 : spec.channels;
  const outputs = spec.groups === 1 ? spec.outputs : groups * (spec.outputs === 5 ? 2 : 1);
  const { nodes, x } = inputOf(spec, [2, channels, 9, 10], draw);
  const shape = [outputs, channels / groups, ...spec.kernel];
  const weights = styledWeights(shape, spec.style, draw);
  const { stride, pads } = spec;
  const window: Window = { stride, pads, dilation: [spec.dilation, spec.dilation], groups };
  const sums = exactSums(x, shape, weights, window);
  const identity = identityOf(spec, sums.shape, draw);
  const graph: Graph = {
    name: "layer",
    nodes: [
      ...nodes,
      ...identity.nodes,
      constant("w", tensor("int16", shape, weights)),
      constant("b", tensor("int32", [outputs], biasOf(spec, sums, draw))),
      {
        op: "shiftConv",
        id: "y",
        inputs: [nodes.at(-1)?.id ?? "", "w", "b", ...identity.ids],
        attrs: { ...window, ...arithmeticOf(spec) },
      },
    ],
    outputs: [{ name: "y", id: "y" }],
    opsets: {},
  };
  const largest = toNumbers(sums).reduce((most, sum) => Math.max(most, Math.abs(sum)), 0);
  return { graph, feeds: new Map([["x", x], ...identity.feeds]), largest };
}

type ShiftAttrs = Extract<Node, { op: "shiftConv" }>["attrs"];

function arithmeticOf(
  spec: Layer,
): Pick<ShiftAttrs, "shift" | "identityShift" | "output" | "accumulator"> {
  const { shift, identityShift, bits, accumulator: overflow } = spec;
  const output = outputOf(spec);
  if (overflow !== "none") {
    const accumulator = { bits, overflow };
    return { shift, identityShift: Math.max(0, identityShift), output, accumulator };
  }
  const whole = spec.kind === "accumulator";
  return { shift, identityShift: whole ? Math.max(0, identityShift) : identityShift, output };
}

type Identity = {
  readonly nodes: readonly Node[];
  readonly ids: readonly string[];
  readonly feeds: readonly (readonly [string, Tensor])[];
};

/** Levels through a mover, or the sums of another convolution. */
function identityOf(spec: Layer, shape: Shape, draw: Draw): Identity {
  if (spec.identity === "none") return { nodes: [], ids: [], feeds: [] };
  const [n = 1, outputs = 1, ...size] = shape;
  if (spec.identity === "levels") {
    const z = values("uint8", shape, () => draw(0, 255));
    const held: Node = { op: "maxPool", id: "z.held", inputs: ["z"], attrs: samplePool([1, 1]) };
    return { nodes: [inputNode("z", z), held], ids: ["z.held"], feeds: [["z", z]] };
  }
  const channels = 4;
  const z = values("int8", [n, channels, ...size], () => draw(-128, 127));
  const most = 2 ** draw(3, 14);
  const weights = Int16Array.from({ length: outputs * channels }, () => draw(-most, most - 1));
  const nodes: Node[] = [
    inputNode("z", z),
    constant("z.w", tensor("int16", [outputs, channels, 1, 1], weights)),
    constant("z.b", tensor("int32", [outputs], new Int32Array(outputs))),
    {
      op: "shiftConv",
      id: "z.sums",
      inputs: ["z", "z.w", "z.b"],
      attrs: {
        ...{ stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
        ...{ shift: 0, identityShift: 0, output: { kind: "accumulator" } },
      },
    },
  ];
  return { nodes, ids: ["z.sums"], feeds: [["z", z]] };
}

/**
 * Whether float32 may refuse the layer: its sums are given as they are, or wrapped, or it is wider than any chip's.
 * Levels of a chip's width are never refused.
 */
function mayRefuse(spec: Layer): boolean {
  const whole = spec.kind === "accumulator" || spec.accumulator === "wrap";
  return whole || (spec.outputBits === 16 && (spec.bias === "huge" || spec.identity === "sums"));
}

/** The lowered graph; undefined where it is refused. */
function loweredOrRefused(spec: Layer, graph: Graph): Graph | undefined {
  try {
    return simulationOfIntegers(graph).lowered;
  } catch (error) {
    expect(`${error}`, printGraph(graph)).toContain("only the scalar definition");
    expect(mayRefuse(spec), `${error}`).toBe(true);
    return undefined;
  }
}

/** True where the layer gives a level between the ends of its clamp. */
function hasInner({ nodes }: Graph, levels: Tensor): boolean {
  const node = nodes.at(-1);
  if (node?.op !== "shiftConv" || node.attrs.output.kind !== "levels") return false;
  const { qMin, qMax } = node.attrs.output;
  return toNumbers(levels).some((q) => q > qMin && q < qMax);
}

test(`lowered equals scalar on ${layersTried} random shifting layers`, async () => {
  const runtime = await nodeRuntime({ threads: 1 });
  const seen = { layers: 0, wide: 0, inside: 0, overflowing: 0 };
  await fc.assert(
    fc.asyncProperty(layer, async (spec) => {
      const { graph, feeds, largest } = makeLayer(spec);
      const lowered = loweredOrRefused(spec, graph);
      if (lowered === undefined) return;
      const wanted = runScalar(graph, feeds).get("y") ?? nothing;
      const session = await openSession(lowered, runtime, { batch: 2 });
      const got = (await session.run(feeds)).get("y") ?? nothing;
      await session.release();
      const wrong = firstDifference(wanted, got, 0);
      expect(wrong, `${printGraph(graph)}: ${wanted.data[wrong]} and ${got.data[wrong]}`).toBe(-1);
      const need = accumulatorNeeds(graph).at(-1);
      if (need === undefined) throw new Error("a layer of unknown needs");
      seen.layers += 1;
      if (spec.accumulator !== "none" && need.totalBits > spec.bits) seen.overflowing += 1;
      if (largest > exactLimit) seen.wide += 1;
      if (largest > exactLimit && hasInner(graph, wanted)) seen.inside += 1;
    }),
    { numRuns: layersTried, seed: 23 },
  );
  // What was tried is what was meant: many layers pass 2^24 and give levels between the ends of the clamp.
  expect(seen.layers).toBeGreaterThan(layersTried * 0.7);
  expect(seen.wide).toBeGreaterThan(50);
  expect(seen.inside).toBeGreaterThan(25);
  expect(seen.overflowing).toBeGreaterThan(50);
}, 120_000);
