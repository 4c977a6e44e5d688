/** Lowered operators against plain loops, in ONNX Runtime, for several opsets. */
import fc from "fast-check";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { poolGeometry } from "../../ir/geometry.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Node, PoolAttrs } from "../../ir/ops.ts";
import { float32, type Tensor, tensor } from "../../tensor/tensor.ts";
import { type LowerOptions, lowerToModel, lowerToOnnx } from "./lower.ts";

const tolerance = 1e-5;
const opsets = [7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 19, 21] as const;

type Feed = Readonly<Record<string, Tensor>>;

/** A graph of constants and one node "y" that reads them and the inputs, by name. */
function single(feed: Feed, constants: Feed, node: Omit<Node, "id">): Graph {
  const inputs = Object.entries(feed).map(([id, value]): Node => {
    return { op: "input", id, inputs: [], attrs: { dtype: value.dtype, shape: value.shape } };
  });
  const values = Object.entries(constants).map(([id, value]): Node => {
    return { op: "const", id, inputs: [], attrs: { tensor: value } };
  });
  const nodes = [...inputs, ...values, { ...node, id: "y" } as Node];
  return { name: "test", nodes, outputs: [{ name: "y", id: "y" }], opsets: {} };
}

async function run(
  graph: Graph,
  feed: Feed,
  options: LowerOptions = {},
): Promise<Record<string, OrtTensor>> {
  const session = await InferenceSession.create(lowerToOnnx(graph, options), {
    logSeverityLevel: 3,
    intraOpNumThreads: 1,
  });
  const feeds = Object.fromEntries(
    Object.entries(feed).map(([id, value]) => [
      id,
      new OrtTensor(value.dtype as "float32", value.data as Float32Array, value.shape),
    ]),
  );
  const outputs = await session.run(feeds);
  await session.release();
  return outputs as Record<string, OrtTensor>;
}

function expectClose(got: OrtTensor | undefined, wanted: ArrayLike<number>): void {
  const values = got?.data as Float32Array;
  expect(values.length).toBe(wanted.length);
  for (let index = 0; index < wanted.length; index += 1) {
    const [a = NaN, b = NaN] = [values[index], wanted[index]];
    if (Math.abs(a - b) > tolerance * (1 + Math.abs(b))) {
      expect.fail(`element ${index}: expected ${b}, got ${a}`);
    }
  }
}

/** Reproducible numbers in -1..1. */
function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 30 - 1;
  });
}

const image = (shape: readonly number[], seed?: number): Tensor<"float32"> =>
  float32(
    shape,
    numbers(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
  );

type Window = (values: readonly number[], padded: number) => number;

/** The places of a window along one axis, from the first pixel on; pads are negative or beyond. */
function places(attrs: PoolAttrs, axis: 0 | 1, at: number): number[] {
  return Array.from({ length: attrs.kernel[axis] }, (_, tap) => {
    return at * attrs.stride[axis] + tap * attrs.dilation[axis] - attrs.pads[axis];
  });
}

/** Pooling of [1, 1, h, w]: `reduce` sees the real pixels, and how many padded ones count too. */
function poolByLoops(x: Tensor<"float32">, attrs: PoolAttrs, reduce: Window): number[] {
  const [, , h = 0, w = 0] = x.shape;
  const { output } = poolGeometry([h, w], attrs);
  const isReal = ([r, c]: readonly [number, number]): boolean => r >= 0 && r < h && c >= 0 && c < w;
  return Array.from({ length: output[0] * output[1] }, (_, at) => {
    const rows = places(attrs, 0, Math.floor(at / output[1]));
    const columns = places(attrs, 1, at % output[1]);
    const all = rows.flatMap((r) => columns.map((c) => [r, c] as const));
    const values = all.filter(isReal).map(([r, c]) => x.data[r * w + c] ?? 0);
    const counted = all.filter(([r, c]) => r < h + attrs.pads[2] && c < w + attrs.pads[3]);
    return reduce(values, counted.length - values.length);
  });
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const poolCase = fc
  .record({
    h: fc.integer({ min: 3, max: 9 }),
    w: fc.integer({ min: 3, max: 9 }),
    kh: fc.integer({ min: 1, max: 3 }),
    kw: fc.integer({ min: 1, max: 3 }),
    sh: fc.integer({ min: 1, max: 4 }),
    sw: fc.integer({ min: 1, max: 3 }),
    pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
    ceil: fc.boolean(),
    countPad: fc.boolean(),
    dilation: fc.constantFrom<[number, number]>([1, 1], [1, 1], [1, 1], [2, 1]),
    opset: fc.constantFrom(...opsets),
  })
  .map(({ h, w, kh, kw, sh, sw, pads, ceil, countPad, dilation, opset }) => ({
    x: image([1, 1, h, w], h * 10 + w),
    countPad,
    opset: dilation[0] > 1 ? Math.max(opset, 10) : opset,
    attrs: {
      kernel: [kh, kw] as const,
      stride: [sh, sw] as const,
      pads: pads.map((pad, side) => Math.min(pad, (side % 2 === 0 ? kh : kw) - 1)) as never,
      dilation,
      ceil,
    } satisfies PoolAttrs,
  }))
  .filter(({ x, attrs }) => {
    try {
      poolGeometry([x.shape[2] ?? 0, x.shape[3] ?? 0], attrs);
    } catch {
      return false;
    }
    // No window may see padding alone: its mean is not defined.
    let empty = false;
    poolByLoops(x, attrs, (values) => {
      empty ||= values.length === 0;
      return 0;
    });
    return !empty;
  });

describe("pooling, lowered", () => {
  it("gives what plain loops give, whatever the pads and overhang", async () => {
    await fc.assert(
      fc.asyncProperty(poolCase, async ({ x, attrs, countPad, opset }) => {
        const graph = (node: Omit<Node, "id">): Graph => single({ x }, {}, node);
        const max = graph({ op: "maxPool", inputs: ["x"], attrs });
        const average = graph({ op: "avgPool", inputs: ["x"], attrs: { ...attrs, countPad } });
        const stochastic = graph({ op: "stochasticPool", inputs: ["x"], attrs });
        expectClose(
          (await run(max, { x }, { opset }))["y"],
          poolByLoops(x, attrs, (values) => Math.max(...values)),
        );
        expectClose(
          (await run(average, { x }, { opset }))["y"],
          poolByLoops(x, attrs, (values, padded) => {
            return sum(values) / (values.length + (countPad ? padded : 0));
          }),
        );
        const positive = float32(
          x.shape,
          x.data.map((value) => Math.max(value, 0)),
        );
        expectClose(
          (await run(stochastic, { x: positive }, { opset }))["y"],
          poolByLoops(positive, attrs, (values) => {
            const total = sum(values);
            return total === 0 ? 0 : sum(values.map((value) => value * value)) / total;
          }),
        );
      }),
      { numRuns: 150, seed: 3 },
    );
  });
});

type Case = {
  readonly name: string;
  readonly node: Omit<Node, "id">;
  readonly x?: Tensor<"float32">;
  readonly more?: Feed;
  readonly wanted: (x: Float32Array) => number[];
  readonly since?: number;
};

const at = (x: Float32Array, index: number): number => x[index] ?? 0;
const each = (f: (value: number, index: number) => number) => (x: Float32Array) => Array.from(x, f);
const channel = (index: number): number => Math.floor(index / 12) % 3;
const slopes = float32([3], [0.1, 0.2, 0.5]);

/** x is [2, 3, 4, 3] unless said otherwise. */
const cases: readonly Case[] = [
  {
    name: "relu",
    node: { op: "relu", inputs: ["x"], attrs: { slope: 0 } },
    wanted: each((v) => Math.max(v, 0)),
  },
  {
    name: "leaky relu",
    node: { op: "relu", inputs: ["x"], attrs: { slope: 0.25 } },
    wanted: each((v) => (v > 0 ? v : 0.25 * v)),
  },
  {
    name: "clip",
    node: { op: "clip", inputs: ["x"], attrs: { min: -0.2, max: 0.3 } },
    wanted: each((v) => Math.min(Math.max(v, -0.2), 0.3)),
  },
  {
    name: "clip without a lower limit",
    node: { op: "clip", inputs: ["x"], attrs: { min: -Infinity, max: 0.3 } },
    wanted: each((v) => Math.min(v, 0.3)),
  },
  {
    name: "prelu",
    node: { op: "prelu", inputs: ["x", "s"], attrs: {} },
    more: { s: slopes },
    wanted: each((v, i) => (v > 0 ? v : v * at(slopes.data, channel(i)))),
  },
  {
    name: "power",
    node: { op: "power", inputs: ["x"], attrs: { power: 3, scale: 2, shift: 1 } },
    wanted: each((v) => (1 + 2 * v) ** 3),
  },
  {
    name: "power 0",
    node: { op: "power", inputs: ["x"], attrs: { power: 0, scale: 1, shift: 0 } },
    wanted: each(() => 1),
  },
  {
    name: "exp of base 2",
    node: { op: "exp", inputs: ["x"], attrs: { base: 2, scale: 3, shift: -1 } },
    wanted: each((v) => 2 ** (-1 + 3 * v)),
  },
  {
    name: "log of base 10",
    node: { op: "log", inputs: ["x"], attrs: { base: 10, scale: 1, shift: 2 } },
    wanted: each((v) => Math.log10(v + 2)),
  },
  {
    name: "softmax over channels",
    node: { op: "softmax", inputs: ["x"], attrs: { axis: 1 } },
    wanted: (x) => {
      const total = (i: number): number => {
        const base = i - channel(i) * 12;
        return sum([0, 12, 24].map((step) => Math.exp(at(x, base + step))));
      };
      return Array.from(x, (v, i) => Math.exp(v) / total(i));
    },
  },
  {
    name: "scale with beta",
    node: { op: "scale", inputs: ["x", "g", "b"], attrs: { axis: 1 } },
    more: { g: slopes, b: float32([3], [1, 2, 3]) },
    wanted: each((v, i) => v * at(slopes.data, channel(i)) + channel(i) + 1),
  },
  {
    name: "bias",
    node: { op: "bias", inputs: ["x", "b"], attrs: { axis: 1 } },
    more: { b: slopes },
    wanted: each((v, i) => v + at(slopes.data, channel(i))),
  },
  {
    name: "batchNorm without gamma",
    node: { op: "batchNorm", inputs: ["x", "m", "v"], attrs: { epsilon: 0.001 } },
    more: { m: slopes, v: float32([3], [1, 2, 3]) },
    wanted: each((v, i) => (v - at(slopes.data, channel(i))) / Math.sqrt(channel(i) + 1.001)),
  },
  {
    name: "lrn across channels",
    node: {
      op: "lrn",
      inputs: ["x"],
      attrs: { size: 3, alpha: 0.5, beta: 0.75, k: 2, region: "across" },
    },
    wanted: (x) =>
      Array.from(x, (v, i) => {
        const near = [-1, 0, 1].filter((step) => [0, 1, 2].includes(channel(i) + step));
        return v / (2 + (0.5 / 3) * sum(near.map((step) => at(x, i + step * 12) ** 2))) ** 0.75;
      }),
  },
  {
    name: "lrn within a channel",
    node: {
      op: "lrn",
      inputs: ["x"],
      attrs: { size: 3, alpha: 0.5, beta: 0.75, k: 1, region: "within" },
    },
    wanted: (x) =>
      Array.from(x, (v, i) => {
        const [r, c] = [Math.floor((i % 12) / 3), i % 3];
        let squares = 0;
        for (let dr = -1; dr <= 1; dr += 1) {
          for (let dc = -1; dc <= 1; dc += 1) {
            const inside = r + dr >= 0 && r + dr < 4 && c + dc >= 0 && c + dc < 3;
            if (inside) squares += at(x, i + dr * 3 + dc) ** 2;
          }
        }
        return v / (1 + (0.5 * squares) / 9) ** 0.75;
      }),
  },
  {
    name: "normalize over channels",
    node: { op: "normalize", inputs: ["x", "s"], attrs: { acrossSpatial: false, epsilon: 1e-3 } },
    more: { s: slopes },
    wanted: (x) =>
      Array.from(x, (v, i) => {
        const base = i - channel(i) * 12;
        const total = sum([0, 12, 24].map((step) => at(x, base + step) ** 2));
        return (v / Math.sqrt(total + 1e-3)) * at(slopes.data, channel(i));
      }),
  },
  {
    name: "normalize over everything",
    node: { op: "normalize", inputs: ["x", "s"], attrs: { acrossSpatial: true, epsilon: 0 } },
    more: { s: float32([1], [2]) },
    wanted: (x) =>
      Array.from(x, (v, i) => {
        const half = x.subarray(i < 36 ? 0 : 36, i < 36 ? 36 : 72);
        return (2 * v) / Math.sqrt(sum(Array.from(half, (value) => value * value)));
      }),
  },
  {
    name: "add with coefficients",
    node: { op: "add", inputs: ["x", "s", "x"], attrs: { coefficients: [2, -1, 0.5] } },
    more: { s: float32([1, 1, 1, 3], [1, 2, 3]) },
    wanted: each((v, i) => 2.5 * v - ((i % 3) + 1)),
  },
  {
    name: "add of three",
    node: { op: "add", inputs: ["x", "x", "x"], attrs: {} },
    wanted: each((v) => 3 * v),
  },
  {
    name: "mul of three",
    node: { op: "mul", inputs: ["x", "x", "x"], attrs: {} },
    wanted: each((v) => v ** 3),
  },
  {
    name: "maximum",
    node: { op: "maximum", inputs: ["x", "s"], attrs: {} },
    more: { s: float32([2, 3, 4, 3], new Float32Array(72).fill(0.25)) },
    wanted: each((v) => Math.max(v, 0.25)),
  },
  {
    name: "slice",
    node: { op: "slice", inputs: ["x"], attrs: { axis: 1, start: 1, end: 3 } },
    wanted: (x) => Array.from(x).filter((_, i) => channel(i) > 0),
  },
  {
    name: "flatten of the middle axes",
    node: { op: "flatten", inputs: ["x"], attrs: { axis: 1, endAxis: 2 } },
    wanted: each((v) => v),
  },
  {
    name: "pad",
    node: { op: "pad", inputs: ["x"], attrs: { pads: [1, 0, 0, 2], value: 0.5 } },
    x: image([1, 1, 2, 2]),
    wanted: (x) => [
      ...[0.5, 0.5, 0.5, 0.5],
      ...[at(x, 0), at(x, 1), 0.5, 0.5],
      ...[at(x, 2), at(x, 3), 0.5, 0.5],
    ],
  },
  {
    name: "nearest resize by a factor",
    node: {
      op: "resize",
      inputs: ["x"],
      attrs: { mode: "nearest", alignCorners: false, factor: [2, 1] },
    },
    x: image([1, 1, 2, 2]),
    wanted: (x) => [0, 1, 0, 1, 2, 3, 2, 3].map((i) => at(x, i)),
  },
  {
    name: "bilinear resize, corners aligned",
    node: {
      op: "resize",
      inputs: ["x"],
      attrs: { mode: "bilinear", alignCorners: true, size: [3, 5] },
    },
    x: image([1, 1, 2, 3]),
    wanted: (x) => {
      const row = (a: number): number[] =>
        [0, 0.5, 1, 1.5, 2].map((c) => {
          const low = Math.min(Math.floor(c), 1);
          return at(x, a * 3 + low) * (1 - (c - low)) + at(x, a * 3 + low + 1) * (c - low);
        });
      return [...row(0), ...row(0).map((v, i) => (v + (row(1)[i] ?? 0)) / 2), ...row(1)];
    },
  },
  {
    name: "bilinear resize at half-pixel centres",
    node: {
      op: "resize",
      inputs: ["x"],
      attrs: { mode: "bilinear", alignCorners: false, size: [1, 4] },
    },
    x: float32([1, 1, 1, 2], [0, 1]),
    wanted: () => [0, 0.25, 0.75, 1],
  },
  {
    name: "argMax over everything, ties to the highest index",
    node: { op: "argMax", inputs: ["x"], attrs: { topK: 2, outMaxVal: true } },
    x: float32([2, 3, 1, 1], [5, 1, 5, 0, 7, 2]),
    wanted: () => [2, 0, 5, 5, 1, 2, 7, 2],
  },
  {
    name: "argMax along an axis",
    node: { op: "argMax", inputs: ["x"], attrs: { axis: 1, topK: 1, outMaxVal: false } },
    x: float32([1, 3, 1, 2], [1, 2, 3, 0, 2, 9]),
    wanted: () => [1, 2],
  },
  {
    name: "linear without bias",
    node: { op: "linear", inputs: ["x", "w"], attrs: {} },
    x: float32([2, 2], [1, 2, 3, 4]),
    more: { w: float32([3, 2], [1, 0, 0, 1, 1, 1]) },
    wanted: () => [1, 2, 3, 3, 4, 7],
  },
  {
    name: "deconv with output pads",
    node: {
      op: "deconv",
      inputs: ["x", "w"],
      attrs: {
        stride: [2, 2],
        pads: [1, 1, 1, 1],
        dilation: [1, 1],
        groups: 1,
        outputPads: [1, 1],
      },
    },
    x: float32([1, 1, 1, 2], [1, 2]),
    more: { w: float32([1, 1, 3, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9]) },
    wanted: () => [5, 14, 10, 12, 8, 23, 16, 18],
  },
];

describe("operators, lowered", () => {
  for (const { name, node, x = image([2, 3, 4, 3]), more = {}, wanted } of cases) {
    it(name, async () => {
      for (const opset of opsets) {
        const graph = single({ x }, more, node);
        for (const batch of [undefined, "symbolic", x.shape[0] ?? 1] as const) {
          const { y } = await run(graph, { x }, { opset, batch });
          expectClose(y, wanted(x.data));
        }
      }
    });
  }

  it("takes any batch where the batch is symbolic", async () => {
    const graph = single(
      { x: image([1, 3, 4, 3]) },
      {},
      { op: "flatten", inputs: ["x"], attrs: { axis: 1, endAxis: 2 } },
    );
    const { y } = await run(graph, { x: image([5, 3, 4, 3]) }, { batch: "symbolic" });
    expect(y?.dims).toEqual([5, 12, 3]);
  });

  it("takes weights that are inputs", async () => {
    const x = image([1, 2, 3, 3]);
    const w = image([4, 2, 1, 1], 5);
    const graph = single(
      { x, w },
      {},
      {
        op: "conv",
        inputs: ["x", "w"],
        attrs: { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
      },
    );
    const { y } = await run(graph, { x, w });
    const wanted = Array.from({ length: 36 }, (_, i) => {
      const [o, p] = [Math.floor(i / 9), i % 9];
      return at(x.data, p) * at(w.data, o * 2) + at(x.data, 9 + p) * at(w.data, o * 2 + 1);
    });
    expectClose(y, wanted);
  });

  it("quantizes and dequantizes", async () => {
    const x = float32([1, 2, 1, 2], [0.24, -0.26, 10, 100]);
    const graph: Graph = {
      name: "qdq",
      nodes: [
        { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape: x.shape } },
        { op: "const", id: "s", inputs: [], attrs: { tensor: float32([2], [0.5, 1]) } },
        {
          op: "const",
          id: "z",
          inputs: [],
          attrs: { tensor: tensor("int8", [2], Int8Array.of(0, 3)) },
        },
        { op: "quantize", id: "q", inputs: ["x", "s", "z"], attrs: { axis: 1 } },
        { op: "dequantize", id: "y", inputs: ["q", "s", "z"], attrs: { axis: 1 } },
      ],
      outputs: [{ name: "y", id: "y" }],
      opsets: {},
    };
    const { q, y } = await run(graph, { x }, { taps: ["q"] });
    expect(Array.from(q?.data as Int8Array)).toEqual([0, -1, 13, 103]);
    expectClose(y, [0, -0.5, 10, 100]);
  });
});

describe("operators that ONNX does not have", () => {
  const refused = (node: Omit<Node, "id">): (() => unknown) => {
    return () => lowerToModel(single({ x: image([1, 1, 1, 1]) }, {}, node));
  };

  it("become constants where they depend on shapes only", async () => {
    const x = image([1, 3, 2, 2]);
    const graph = single(
      { x },
      {},
      {
        op: "priorBox",
        inputs: ["x", "x"],
        attrs: {
          minSizes: [1],
          maxSizes: [],
          aspectRatios: [],
          flip: false,
          clip: false,
          variances: [0.1, 0.1, 0.2, 0.2],
          offset: 0.5,
        },
      },
    );
    const { y } = await run(graph, { x }, { batch: "symbolic" });
    expect(y?.dims).toEqual([1, 2, 16]);
    expectClose(y, [
      ...[0, 0, 0.5, 0.5, 0.5, 0, 1, 0.5, 0, 0.5, 0.5, 1, 0.5, 0.5, 1, 1],
      ...Array.from({ length: 4 }, () => [0.1, 0.1, 0.2, 0.2]).flat(),
    ]);
  });

  it("are refused by name where they run elsewhere", () => {
    const quantConv = {
      op: "quantConv",
      inputs: ["x", "x"],
      attrs: {
        ...{ stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
        ...{ precision: "oneBit", parameterBits: 12, shiftEnabled: true },
      },
    } as const;
    expect(refused(quantConv)).toThrow(/quantConv "y".*foldQuantLayers/);
    const multiplier = { xZero: 0, multiplier: 1, output: { yZero: 0, qMin: 0, qMax: 255 } };
    const requantize = { op: "requantize", inputs: ["x"], attrs: multiplier } as const;
    expect(refused(requantize)).toThrow(/requantize "y": integer layers/);
  });
});

describe("outputs", () => {
  const x = image([1, 3, 4, 3]);
  const graph: Graph = {
    ...single({ x }, { k: float32([2], [1, 2]) }, { op: "tanh", inputs: ["x"], attrs: {} }),
    outputs: [
      { name: "x", id: "y" },
      { name: "k", id: "k" },
      { name: "again", id: "y" },
    ],
  };

  it("may be constants and inputs, and any value can be tapped", async () => {
    const outputs = await run(graph, { x }, { taps: ["x"] });
    expect(Object.keys(outputs)).toEqual(["y", "k", "x"]);
    expectClose(outputs["x"], x.data);
    expectClose(outputs["k"], [1, 2]);
    expect(() => lowerToModel(graph, { taps: ["nothing"] })).toThrow(/no such value to tap/);
  });

  it("carry the graph's output names on demand", async () => {
    const outputs = await run(graph, { x }, { outputNames: "outputs" });
    expect(Object.keys(outputs)).toEqual(["x.2", "k", "again"]);
    expectClose(outputs["again"], x.data.map(Math.tanh));
  });
});
