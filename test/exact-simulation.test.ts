/**
 * The fast simulation equals the scalar definition on every element: random integer layers over
 * kernels, strides, pads, groups, dilations, bit widths and signs.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { IntOutput, Node } from "../src/ir/ops.ts";
import { printGraph } from "../src/ir/print.ts";
import { lowerIntegers } from "../src/passes/lower-integers.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";

const layersTried = 600;

/** A small generator of its own, so that a failing layer is reproduced by its seed alone. */
function integers(seed: number): (lo: number, hi: number) => number {
  let state = seed >>> 0;
  return (lo, hi) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return lo + Math.floor((state / 2 ** 32) * (hi - lo + 1));
  };
}

const layer = fc.record({
  seed: fc.nat(),
  kind: fc.constantFrom("conv", "linear", "average", "sum", "requantize"),
  groups: fc.constantFrom<1 | 2 | "depthwise">(1, 2, "depthwise"),
  kernel: fc.tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 5 })),
  stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilation: fc.integer({ min: 1, max: 2 }),
  pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
  channels: fc.integer({ min: 1, max: 9 }),
  outputs: fc.integer({ min: 1, max: 9 }),
  size: fc.tuple(fc.integer({ min: 10, max: 14 }), fc.integer({ min: 10, max: 14 })),
  weightBits: fc.integer({ min: 1, max: 8 }),
  outputBits: fc.integer({ min: 2, max: 8 }),
  inputSigned: fc.boolean(),
  outputSigned: fc.boolean(),
  zeros: fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 })),
  bigBias: fc.boolean(),
  real: fc.boolean(),
});
type Layer = typeof layer extends fc.Arbitrary<infer T> ? T : never;

function constant(id: string, value: Tensor): Node {
  return { op: "const", id, inputs: [], attrs: { tensor: value } };
}

/** Input and the quantize node that puts integers on the wanted grid. */
function quantized(name: string, shape: Shape, signed: boolean, zero: number): Node[] {
  const point = signed
    ? tensor("int8", [], Int8Array.of(zero))
    : tensor("uint8", [], Uint8Array.of(zero));
  return [
    { op: "input", id: name, inputs: [], attrs: { dtype: "float32", shape } },
    constant(`${name}.scale`, float32([], [1])),
    constant(`${name}.zero`, point),
    {
      op: "quantize",
      id: `${name}.q`,
      inputs: [name, `${name}.scale`, `${name}.zero`],
      attrs: { axis: 1 },
    },
  ];
}

function makeGraph(spec: Layer): { graph: Graph; feeds: ReadonlyMap<string, Tensor> } {
  const next = integers(spec.seed);
  const [height, width] = spec.size;
  const groups = spec.groups === "depthwise" ? spec.channels : spec.groups;
  const channels = spec.groups === 2 ? spec.channels * 2 : spec.channels;
  const outputs = spec.outputs * groups;
  const shape = spec.kind === "linear" ? [2, channels * 4] : [2, channels, height, width];
  const half = 2 ** (spec.outputBits - 1);
  const [qMin, qMax] = spec.outputSigned ? [-half, half - 1] : [0, 2 * half - 1];
  const yZero = Math.min(qMax, Math.max(qMin, spec.zeros[1]));
  const requantize = { yZero, qMin, qMax };
  const output: IntOutput = spec.real ? { kind: "real" } : { kind: "integer", ...requantize };
  const weights = (count: number): Int8Array => {
    const most = 2 ** (spec.weightBits - 1);
    return Int8Array.from({ length: count }, () => next(-most, Math.max(most - 1, 1)));
  };
  const biases = (count: number): Int32Array =>
    Int32Array.from({ length: count }, () =>
      spec.bigBias ? next(-(2 ** 27), 2 ** 27) : next(-5000, 5000),
    );
  const multipliers = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => next(1, 1000) / (spec.bigBias ? 1e9 : 65536));
  const xZero = spec.zeros[0];
  const x = quantized("x", shape, spec.inputSigned, xZero);
  const layerNodes = ((): Node[] => {
    switch (spec.kind) {
      case "conv": {
        const weightShape = [outputs, channels / groups, ...spec.kernel];
        return [
          constant("w", tensor("int8", weightShape, weights(elementCount(weightShape)))),
          constant("b", tensor("int32", [outputs], biases(outputs))),
          constant("m", float32([outputs], multipliers(outputs))),
          {
            op: "intConv",
            id: "y",
            inputs: ["x.q", "w", "b", "m"],
            attrs: {
              stride: spec.stride,
              pads: spec.pads,
              dilation: [spec.dilation, spec.dilation],
              groups,
              xZero,
              output,
            },
          },
        ];
      }
      case "linear":
        return [
          constant("w", tensor("int8", [outputs, channels * 4], weights(outputs * channels * 4))),
          constant("b", tensor("int32", [outputs], biases(outputs))),
          constant("m", float32([outputs], multipliers(outputs))),
          { op: "intLinear", id: "y", inputs: ["x.q", "w", "b", "m"], attrs: { xZero, output } },
        ];
      case "average": {
        const window = {
          kernel: spec.kernel,
          stride: spec.stride,
          pads: spec.pads.map((pad, at) => Math.min(pad, (spec.kernel[at % 2] ?? 1) - 1)) as [
            number,
            number,
            number,
            number,
          ],
          dilation: [1, 1] as const,
          ceil: spec.real,
        };
        const attrs = { window: spec.bigBias ? ("global" as const) : window, xZero };
        const multiplier = Math.fround(next(1, 3000) / 1000);
        return [
          {
            op: "intAvgPool",
            id: "y",
            inputs: ["x.q"],
            attrs: { ...attrs, multiplier, output: requantize },
          },
        ];
      }
      case "sum":
        return [
          ...quantized("z", shape, !spec.inputSigned, 7),
          {
            op: "intAdd",
            id: "y",
            inputs: ["x.q", "z.q"],
            attrs: {
              zeros: [xZero, 7],
              multipliers: [Math.fround(next(1, 999) / 500), Math.fround(next(1, 999) / 500)],
              output: requantize,
            },
          },
        ];
      default:
        return [
          {
            op: "requantize",
            id: "y",
            inputs: ["x.q"],
            attrs: { xZero, multiplier: Math.fround(next(1, 3000) / 1000), output: requantize },
          },
        ];
    }
  })();
  const nodes = [...x, ...layerNodes];
  const feeds = nodes
    .filter((node) => node.op === "input")
    .map((node): [string, Tensor] => {
      const values = Array.from({ length: elementCount(shape) }, () => next(-140, 160));
      return [node.id, float32(shape, values)];
    });
  const graph: Graph = { name: "layer", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
  return { graph, feeds: new Map(feeds) };
}

const numbersOf = (value: Tensor | undefined): number[] => (value ? toNumbers(value) : []);

test(`lowered equals scalar on ${layersTried} random integer layers`, async () => {
  const runtime = await nodeRuntime({ threads: 1 });
  const tried = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(layer, async (spec) => {
      const { graph, feeds } = makeGraph(spec);
      const scalar = runScalar(graph, feeds).get("y");
      const { graph: lowered, zeros } = lowerIntegers(graph);
      const session = await openSession(lowered, runtime, { batch: 2 });
      const fast = (await session.run(feeds)).get("y");
      await session.release();
      const zero = zeros.get("y") ?? 0;
      const got = numbersOf(fast).map((value) => value + zero);
      const wanted = numbersOf(scalar);
      expect(got.length, printGraph(graph)).toBe(wanted.length);
      const wrong = wanted.findIndex(
        (value, at) => !Object.is(value + 0, (got[at] ?? Number.NaN) + 0),
      );
      expect(wrong, `${printGraph(graph)}: ${wanted[wrong]} and ${got[wrong]}`).toBe(-1);
      tried.set(spec.kind, (tried.get(spec.kind) ?? 0) + 1);
    }),
    { numRuns: layersTried, seed: 20 },
  );
  expect(tried.size).toBe(5);
}, 120_000);

test("planes recombine exactly where sums pass 2^24", async () => {
  const runtime = await nodeRuntime({ threads: 1 });
  const next = integers(7);
  for (const [inputs, most] of [
    [4000, 127],
    [25_088, 127],
    [30_000, 127],
  ] as const) {
    const outputs = 5;
    const weights = Int8Array.from({ length: inputs * outputs }, () => next(-most, most));
    weights.fill(most, 0, inputs);
    weights.fill(-most, inputs, 2 * inputs);
    const nodes: Node[] = [
      ...quantized("x", [3, inputs], false, 0),
      constant("w", tensor("int8", [outputs, inputs], weights)),
      constant("b", tensor("int32", [outputs], Int32Array.from([1, -1, 12_345_677, -99, 3]))),
      constant("m", float32([outputs], new Float32Array(outputs).fill(1))),
      {
        op: "intLinear",
        id: "y",
        inputs: ["x.q", "w", "b", "m"],
        attrs: { xZero: 0, output: { kind: "real" } },
      },
    ];
    const graph: Graph = { name: "wide", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
    const pixels = Array.from({ length: 3 * inputs }, (_, at) =>
      at < inputs ? 255 : next(0, 255),
    );
    const feeds = new Map<string, Tensor>([["x", float32([3, inputs], pixels)]]);
    const session = await openSession(lowerIntegers(graph).graph, runtime, { batch: 3 });
    const fast = (await session.run(feeds)).get("y");
    await session.release();
    expect(numbersOf(fast)).toEqual(numbersOf(runScalar(graph, feeds).get("y")));
  }
});
