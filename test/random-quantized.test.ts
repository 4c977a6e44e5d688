/**
 * Random whole networks, quantized, written, read back and simulated: the scalar definition and the
 * lowered graph give the same integers, and what comes out is near the float network.
 */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { int8 } from "../src/chips/int8/target.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Runtime, Values } from "../src/engine/runtime.ts";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import { readOnnx } from "../src/formats/onnx/read.ts";
import { type Graph, nodeMap, nodesOf } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { printGraph } from "../src/ir/print.ts";
import { verify } from "../src/ir/verify.ts";
import { lowerIntegers } from "../src/passes/lower-integers.ts";
import { canonicalize } from "../src/passes/pipeline.ts";
import { defaultQuantizeOptions, type QuantizeOptions } from "../src/quantize/options.ts";
import { planQuantization, wantedValues } from "../src/quantize/plan.ts";
import { quantizeGraph, type ValueStatistics } from "../src/quantize/quantize-graph.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { type Simulation, simulationOf } from "../src/run/simulate.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import { randomNet } from "./random-net.ts";

const nets = fc.record({
  choices: fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 12 }),
  seed: fc.nat({ max: 1_000_000 }),
  perChannel: fc.boolean(),
  signed: fc.boolean(),
  symmetric: fc.boolean(),
  powerOfTwo: fc.boolean(),
});

type Drawn = typeof nets extends fc.Arbitrary<infer T> ? T : never;

function optionsOf({ perChannel, signed, symmetric, powerOfTwo }: Drawn): QuantizeOptions {
  return {
    ...defaultQuantizeOptions,
    weights: { unit: perChannel ? "channel" : "tensor", powerOfTwo },
    activations: { signed, symmetric, powerOfTwo },
  };
}

function inputFor(graph: Graph): ReadonlyMap<string, Tensor> {
  const random = createRandom(11);
  return new Map(
    nodesOf(graph, "input").map(({ id, attrs: { shape } }) => {
      const values = Array.from({ length: elementCount(shape) }, () => random.unit() * 2 - 1);
      return [id, float32(shape, values)];
    }),
  );
}

/** Extremes of every value on one input. */
function extremesOf(
  graph: Graph,
  feeds: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, ValueStatistics> {
  const statistics = new Map<string, ValueStatistics>();
  runScalar(graph, feeds, {
    onValue: ({ id }, value) => {
      const values = toNumbers(value);
      const lo = values.reduce((a, b) => Math.min(a, b), 0);
      statistics.set(id, { lo, hi: values.reduce((a, b) => Math.max(a, b), 0) });
    },
  });
  return statistics;
}

type Prepared = {
  readonly feeds: ReadonlyMap<string, Tensor>;
  /** The quantized network as it comes back from its file. */
  readonly quantized: Graph;
};

function prepare(drawn: Drawn): Prepared {
  const float = verify(canonicalize(randomNet(drawn.choices, drawn.seed)), "canonical");
  const feeds = inputFor(float);
  const plan = planQuantization(float, int8);
  const seen = extremesOf(float, feeds);
  const statistics = new Map(
    [...wantedValues(plan).keys()].flatMap((id): [string, ValueStatistics][] => {
      const extremes = seen.get(id);
      return extremes === undefined ? [] : [[id, extremes]];
    }),
  );
  const { graph } = quantizeGraph(float, plan, int8, statistics, optionsOf(drawn));
  const bytes = lowerToOnnx(graph, { outputNames: "outputs" });
  const quantized = readOnnx({ name: "random.onnx", bytes });
  // A pad that cuts is not in the table; ONNX Runtime alone runs it.
  fc.pre(nodesOf(quantized, "opaque").length === 0);
  return { feeds, quantized };
}

describe("random networks, quantized", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await nodeRuntime({ threads: 1 });
  });

  it("every integer layer of the lowered simulation gives the definition's integers", async () => {
    const property = async (drawn: Drawn): Promise<void> => {
      const { feeds, quantized } = prepare(drawn);
      const simulation = simulationOf(quantized);
      const { lowered, zeros } = simulation;
      const layers = simulation.integer.nodes.filter(({ id }) => zeros.has(id));
      const read = layers.flatMap(({ id, inputs }) => [id, ...inputs]);
      const computed = new Set(lowered.nodes.flatMap(({ op, id }) => (op === "const" ? [] : [id])));
      const taps = [...new Set(read)].filter((id) => computed.has(id));
      const session = await openSession(lowered, runtime, { taps });
      try {
        const found = await session.run(feeds);
        for (const node of layers) checkLayer(node, simulation, found);
      } finally {
        await session.release();
      }
    };
    await fc.assert(fc.asyncProperty(nets, property), { numRuns: 200 });
  });

  it("the definition gives what the QDQ graph says, but for a rounding here and there", () => {
    const errors: number[] = [];
    let layers = 0;
    const property = (drawn: Drawn): void => {
      const { feeds, quantized } = prepare(drawn);
      const { integer } = simulationOf(quantized);
      layers += integer.nodes.filter(({ op }) => op.startsWith("int")).length;
      const want = runScalar(quantized, feeds, { precision: "float64" });
      const got = runScalar(integer, feeds);
      for (const [at, { id }] of quantized.outputs.entries()) {
        const error = relativeError(got.get(integer.outputs[at]?.id ?? ""), want.get(id));
        errors.push(error);
        expect(error).toBeLessThan(0.05);
      }
    };
    fc.assert(fc.property(nets, property), { numRuns: 300 });
    expect(layers).toBeGreaterThan(200);
    expect(errors.filter((error) => error > 1e-5).length).toBeLessThan(0.03 * errors.length);
  });
});

it("an average of padding alone is the zero point on both sides", () => {
  const bytes = tensor("uint8", [1, 1, 2, 2], Uint8Array.of(10, 20, 30, 40));
  const node: Node = {
    op: "intAvgPool",
    id: "y",
    inputs: ["x.q"],
    attrs: {
      window: { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pads: [1, 0, 0, 0], ceil: false },
      xZero: 5,
      multiplier: 1,
      output: { yZero: 7, qMin: 0, qMax: 255 },
    },
  };
  const grid: readonly Node[] = [
    { op: "const", id: "step", inputs: [], attrs: { tensor: float32([], [1]) } },
    {
      op: "const",
      id: "zero",
      inputs: [],
      attrs: { tensor: tensor("uint8", [], Uint8Array.of(5)) },
    },
  ];
  const x = float32(
    [1, 1, 2, 2],
    Float32Array.from(bytes.data, (q) => q - 5),
  );
  const input: Node = {
    op: "input",
    id: "x",
    inputs: [],
    attrs: { dtype: "float32", shape: x.shape },
  };
  const quantize: Node = {
    op: "quantize",
    id: "x.q",
    inputs: ["x", "step", "zero"],
    attrs: { axis: 1 },
  };
  const nodes = [input, ...grid, quantize, node];
  const graph: Graph = { name: "n", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
  const { graph: lowered } = lowerIntegers(graph);
  const feeds = new Map([["x", x]]);
  const want = [7, 7, 12, 22, 32, 42];
  expect(toNumbers(runScalar(graph, feeds).get("y") as Tensor)).toEqual(want);
  const got = toNumbers(runScalar(lowered, feeds).get("y") as Tensor);
  expect(got.map((value) => value + 7)).toEqual(want);
});

/**
 * One layer by the definition, on what the lowered graph gave it: a float layer in between may round
 * otherwise, an integer layer may not.
 */
function checkLayer(node: Node, { integer, zeros }: Simulation, found: Values): void {
  const nodes = nodeMap(integer);
  const feeds = new Map<string, Tensor>();
  const sources = [...new Set(node.inputs)].map((id): Node => {
    const source = nodes.get(id);
    if (source?.op === "const") return source;
    const value = found.get(id) as Tensor;
    const tensor = zeros.has(id) ? integersOf(value, zeros.get(id) ?? 0) : value;
    feeds.set(id, tensor);
    const { dtype, shape } = tensor;
    return { op: "input", id, inputs: [], attrs: { dtype, shape } };
  });
  const outputs = [{ name: node.id, id: node.id }];
  const graph: Graph = { name: "layer", nodes: [...sources, node], outputs, opsets: {} };
  const want = runScalar(graph, feeds).get(node.id) as Tensor;
  const got = integersOf(found.get(node.id) as Tensor, zeros.get(node.id) ?? 0);
  expect(toNumbers(got), `${node.id} of\n${printGraph(integer)}`).toEqual(toNumbers(want));
}

/** Integers from what the lowered graph holds: `q - zero`. int16 takes signed and unsigned ones. */
function integersOf(value: Tensor, zero: number): Tensor {
  return tensor(
    "int16",
    value.shape,
    Int16Array.from(toNumbers(value), (x) => x + zero),
  );
}

/** Largest difference, relative to the largest magnitude. */
function relativeError(got: Tensor | undefined, want: Tensor | undefined): number {
  const [a, b] = [got, want].map((value) => (value === undefined ? [] : toNumbers(value)));
  expect(a?.length).toBe(b?.length);
  const largest = b?.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-9) ?? 0;
  const error = b?.reduce((max, x, at) => Math.max(max, Math.abs(x - (a?.[at] ?? NaN))), 0) ?? NaN;
  return error / largest;
}
