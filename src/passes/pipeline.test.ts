import { describe, expect, it } from "vitest";
import { type Graph, sweep } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { printGraph } from "../ir/print.ts";
import { verify } from "../ir/verify.ts";
import { float32, type Tensor, toNumbers } from "../tensor/tensor.ts";
import { canonicalize, canonicalPasses } from "./pipeline.ts";

const unitConv = {
  stride: [1, 1],
  pads: [0, 0, 0, 0],
  dilation: [1, 1],
  groups: 1,
} as const;

const constant = (id: string, tensor: Tensor): Node => ({
  op: "const",
  id,
  inputs: [],
  attrs: { tensor },
});
const image = (c: number, h: number, w: number): Node => ({
  op: "input",
  id: "x",
  inputs: [],
  attrs: { dtype: "float32", shape: [1, c, h, w] },
});
const graphOf = (nodes: readonly Node[], output = nodes.at(-1)?.id ?? ""): Graph =>
  sweep({ name: "net", nodes, outputs: [{ name: output, id: output }], opsets: {} });
const canonical = (graph: Graph): Graph =>
  verify(canonicalize(verify(graph, "imported")), "canonical");
const constantsOf = (graph: Graph): Record<string, number[]> =>
  Object.fromEntries(
    graph.nodes.flatMap((node) =>
      node.op === "const" ? [[node.id, toNumbers(node.attrs.tensor)]] : [],
    ),
  );

/** conv1 1x1 with weights 1, 2 -> bn1 -> scale1, as Caffe writes it. */
const caffeTriple: readonly Node[] = [
  image(1, 2, 2),
  constant("conv1.weight", float32([2, 1, 1, 1], [1, 2])),
  { op: "conv", id: "conv1", inputs: ["x", "conv1.weight"], attrs: unitConv },
  constant("mean", float32([2], [1, -1])),
  constant("variance", float32([2], [3, 0])),
  { op: "batchNorm", id: "bn1", inputs: ["conv1", "mean", "variance"], attrs: { epsilon: 1 } },
  constant("gamma", float32([2], [2, 3])),
  constant("beta", float32([2], [10, 20])),
  { op: "scale", id: "scale1", inputs: ["bn1", "gamma", "beta"], attrs: { axis: 1 } },
  { op: "relu", id: "relu1", inputs: ["scale1"], attrs: { slope: 0 } },
];

describe("batch norm", () => {
  it("folds into the convolution, which keeps its name and its weights' names", () => {
    const result = canonical(graphOf(caffeTriple));
    expect(printGraph(result)).toMatchInlineSnapshot(`
      "x: float32[1x1x2x2] = input()
      conv1: float32[1x2x2x2] = conv(x, [2x1x1x1], [2])
      relu1: float32[1x2x2x2] = relu(conv1)
      -> relu1"
    `);
    expect(constantsOf(result)).toEqual({ "conv1.weight": [1, 6], "conv1.bias": [9, 23] });
  });

  it("rounds a chain once", () => {
    const third = Math.fround(1 / 3);
    const steps = Array.from(
      { length: 6 },
      (_, at): Node => ({
        op: "mul",
        id: `mul${at}`,
        inputs: [at === 0 ? "conv1" : `mul${at - 1}`, "third"],
        attrs: {},
      }),
    );
    const nodes = [...caffeTriple.slice(0, 3), constant("third", float32([], [third])), ...steps];
    expect(constantsOf(canonical(graphOf(nodes)))["conv1.weight"]?.[0]).toBe(
      Math.fround(third ** 6),
    );
  });

  it("becomes one scale with the Scale layer behind it where no layer stands before", () => {
    const nodes = caffeTriple.filter((node) => !node.id.startsWith("conv1"));
    const alone = nodes.map((node): Node => {
      if (node.op === "input") return image(2, 2, 2);
      return node.op === "batchNorm" ? { ...node, inputs: node.inputs.with(0, "x") } : node;
    });
    const result = canonical(graphOf(alone));
    expect(printGraph(result)).toMatchInlineSnapshot(`
      "x: float32[1x2x2x2] = input()
      scale1: float32[1x2x2x2] = scale(x, [2], [2]) axis=1
      relu1: float32[1x2x2x2] = relu(scale1)
      -> relu1"
    `);
    expect(constantsOf(result)).toEqual({ "scale1.gamma": [1, 3], "scale1.beta": [9, 23] });
  });

  it("stays apart from a convolution that is read twice", () => {
    const nodes: readonly Node[] = [
      ...caffeTriple,
      { op: "add", id: "sum", inputs: ["conv1", "relu1"], attrs: {} },
    ];
    expect(printGraph(canonical(graphOf(nodes)))).toMatchInlineSnapshot(`
      "x: float32[1x1x2x2] = input()
      conv1: float32[1x2x2x2] = conv(x, [2x1x1x1])
      scale1: float32[1x2x2x2] = scale(conv1, [2], [2]) axis=1
      relu1: float32[1x2x2x2] = relu(scale1)
      sum: float32[1x2x2x2] = add(conv1, relu1)
      -> sum"
    `);
  });

  it("stays apart from a convolution that is a graph output", () => {
    const graph = {
      ...graphOf(caffeTriple),
      outputs: ["conv1", "relu1"].map((id) => ({ name: id, id })),
    };
    expect(canonical(graph).nodes.map((node) => node.op)).toContain("scale");
  });

  it("names the node and the channel of a variance that is not positive", () => {
    const broken = caffeTriple.map((node) =>
      node.id === "variance" ? constant("variance", float32([2], [3, -1])) : node,
    );
    expect(() => canonical(graphOf(broken))).toThrow(
      'batchNorm "bn1": variance + epsilon must be positive: got -1 + 1 in channel 1',
    );
  });

  it("leaves a layer alone whose folded weights would overflow", () => {
    const nodes: readonly Node[] = [
      ...caffeTriple.slice(0, 3),
      constant("big", float32([2, 1, 1], [3e38, 3e38])),
      { op: "mul", id: "mul1", inputs: ["conv1", "big"], attrs: {} },
    ];
    expect(canonical(graphOf(nodes)).nodes.map((node) => node.op)).toContain("scale");
  });
});

describe("affine arithmetic", () => {
  const conv = caffeTriple.slice(0, 3);
  const perChannel = constant("k", float32([1, 2, 1, 1], [2, 4]));
  const folded = (node: Node): Record<string, number[]> =>
    constantsOf(canonical(graphOf([...conv, perChannel, node])));

  it.each([
    [{ op: "mul", id: "y", inputs: ["conv1", "k"], attrs: {} }, [2, 8], [0, 0]],
    [{ op: "div", id: "y", inputs: ["conv1", "k"], attrs: {} }, [0.5, 0.5], [0, 0]],
    [{ op: "add", id: "y", inputs: ["k", "conv1"], attrs: {} }, [1, 2], [2, 4]],
    [{ op: "sub", id: "y", inputs: ["conv1", "k"], attrs: {} }, [1, 2], [-2, -4]],
    [{ op: "sub", id: "y", inputs: ["k", "conv1"], attrs: {} }, [-1, -2], [2, 4]],
    [
      { op: "add", id: "y", inputs: ["k", "conv1"], attrs: { coefficients: [3, 5] } },
      [5, 10],
      [6, 12],
    ],
    [
      { op: "power", id: "y", inputs: ["conv1"], attrs: { power: 1, scale: 3, shift: 7 } },
      [3, 6],
      [7, 7],
    ],
  ] as const)("folds %o", (node, weight, bias) => {
    expect(folded(node)).toEqual({ "conv1.weight": weight, "conv1.bias": bias });
  });

  it.each([
    { op: "div", id: "y", inputs: ["k", "conv1"], attrs: {} },
    { op: "power", id: "y", inputs: ["conv1"], attrs: { power: 2, scale: 1, shift: 0 } },
    { op: "mul", id: "y", inputs: ["conv1", "conv1"], attrs: {} },
  ] as const)("keeps %o", (node) => {
    expect(canonical(graphOf([...conv, perChannel, node])).nodes.at(-1)?.op).toBe(node.op);
  });

  it("keeps a constant that varies along the columns", () => {
    const columns = constant("k", float32([2], [2, 4]));
    const node: Node = { op: "mul", id: "y", inputs: ["conv1", "k"], attrs: {} };
    expect(canonical(graphOf([...conv, columns, node])).nodes.at(-1)?.op).toBe("mul");
  });
});

describe("a scale in front of a convolution", () => {
  const net = (pad: number): Graph =>
    graphOf([
      image(2, 3, 3),
      constant("mean", float32([1, 2, 1, 1], [1, 2])),
      { op: "sub", id: "centred", inputs: ["x", "mean"], attrs: {} },
      constant("w", float32([1, 2, 1, 1], [3, 5])),
      {
        op: "conv",
        id: "conv1",
        inputs: ["centred", "w"],
        attrs: { ...unitConv, pads: [pad, pad, pad, pad] },
      },
    ]);

  it("goes into the weights and the bias", () => {
    const result = canonical(net(0));
    expect(printGraph(result)).toMatchInlineSnapshot(`
      "x: float32[1x2x3x3] = input()
      conv1: float32[1x1x3x3] = conv(x, [1x2x1x1], [1])
      -> conv1"
    `);
    expect(constantsOf(result)).toEqual({ w: [3, 5], "conv1.bias": [-13] });
  });

  it("stays where the padding would be shifted", () => {
    expect(printGraph(canonical(net(1)))).toMatchInlineSnapshot(`
      "x: float32[1x2x3x3] = input()
      centred: float32[1x2x3x3] = scale(x, [2], [2]) axis=1
      conv1: float32[1x1x5x5] = conv(centred, [1x2x1x1]) pads=1,1,1,1
      -> conv1"
    `);
  });
});

describe("operators that change nothing", () => {
  it("go away, and outputs keep their names", () => {
    const graph = graphOf([
      image(2, 1, 1),
      { op: "flatten", id: "flat", inputs: ["x"], attrs: { axis: 1, endAxis: -1 } },
      { op: "reshape", id: "again", inputs: ["flat"], attrs: { shape: [0, -1] } },
      { op: "relu", id: "relu1", inputs: ["again"], attrs: { slope: 0 } },
      { op: "clip", id: "free", inputs: ["relu1"], attrs: { min: -Infinity, max: Infinity } },
      { op: "transpose", id: "turned", inputs: ["free"], attrs: { perm: [0, 1] } },
      { op: "dropout", id: "drop", inputs: ["turned"], attrs: { ratio: 0.5 } },
    ]);
    expect(printGraph(canonical(graph))).toMatchInlineSnapshot(`
      "x: float32[1x2x1x1] = input()
      flat: float32[1x2] = flatten(x) axis=1 endAxis=-1
      relu1: float32[1x2] = relu(flat)
      -> drop=relu1"
    `);
  });
});

describe("rectifiers", () => {
  const chain = (...nodes: readonly Node[]): Graph =>
    graphOf([
      image(2, 1, 1),
      constant("zero", float32([1, 1, 1], [0])),
      constant("slopes", float32([2], [0.25, 0.25])),
      ...nodes,
    ]);

  it("become relu", () => {
    const graph = chain(
      { op: "maximum", id: "a", inputs: ["zero", "x"], attrs: {} },
      { op: "relu", id: "b", inputs: ["a"], attrs: { slope: 0 } },
      { op: "clip", id: "c", inputs: ["b"], attrs: { min: 0, max: Infinity } },
    );
    expect(printGraph(canonical(graph))).toMatchInlineSnapshot(`
      "x: float32[1x2x1x1] = input()
      a: float32[1x2x1x1] = relu(x)
      -> c=a"
    `);
  });

  it("merge their ranges", () => {
    const graph = chain(
      { op: "relu", id: "a", inputs: ["x"], attrs: { slope: 0 } },
      { op: "clip", id: "b", inputs: ["a"], attrs: { min: -1, max: 6 } },
    );
    expect(printGraph(canonical(graph))).toMatchInlineSnapshot(`
      "x: float32[1x2x1x1] = input()
      b: float32[1x2x1x1] = clip(x) min=0 max=6
      -> b"
    `);
  });

  it("keep a range that another operator reads", () => {
    const graph = chain(
      { op: "relu", id: "a", inputs: ["x"], attrs: { slope: 0 } },
      { op: "clip", id: "b", inputs: ["a"], attrs: { min: -1, max: 6 } },
      { op: "concat", id: "both", inputs: ["a", "b"], attrs: { axis: 1 } },
    );
    expect(canonicalize(graph)).toBe(graph);
  });

  it("turn a prelu with one slope into a relu", () => {
    const graph = chain({ op: "prelu", id: "p", inputs: ["x", "slopes"], attrs: {} });
    expect(printGraph(canonical(graph))).toMatchInlineSnapshot(`
      "x: float32[1x2x1x1] = input()
      p: float32[1x2x1x1] = relu(x) slope=0.25
      -> p"
    `);
  });
});

describe("pad", () => {
  const pool = {
    kernel: [3, 3],
    stride: [2, 2],
    pads: [0, 0, 0, 0],
    dilation: [1, 1],
    ceil: false,
  } as const;
  const padded = (value: number, ...rest: readonly Node[]): Graph =>
    graphOf([
      image(1, 4, 4),
      constant("w", float32([1, 1, 3, 3], new Float32Array(9).fill(1))),
      { op: "relu", id: "r", inputs: ["x"], attrs: { slope: 0 } },
      { op: "pad", id: "p", inputs: ["r"], attrs: { pads: [0, 0, 1, 1], value } },
      ...rest,
    ]);

  it("goes into a convolution", () => {
    const graph = padded(0, { op: "conv", id: "y", inputs: ["p", "w"], attrs: unitConv });
    expect(printGraph(canonical(graph))).toMatchInlineSnapshot(`
      "x: float32[1x1x4x4] = input()
      r: float32[1x1x4x4] = relu(x)
      y: float32[1x1x3x3] = conv(r, [1x1x3x3]) pads=0,0,1,1
      -> y"
    `);
  });

  it("goes into pools", () => {
    const max = padded(0, { op: "maxPool", id: "y", inputs: ["p"], attrs: pool });
    const average: Node = {
      op: "avgPool",
      id: "y",
      inputs: ["p"],
      attrs: { ...pool, countPad: false },
    };
    expect(printGraph(canonical(max))).toMatchInlineSnapshot(`
      "x: float32[1x1x4x4] = input()
      r: float32[1x1x4x4] = relu(x)
      y: float32[1x1x2x2] = maxPool(r) kernel=3,3 stride=2,2 pads=0,0,1,1
      -> y"
    `);
    expect(printGraph(canonical(padded(0, average)))).toMatchInlineSnapshot(`
      "x: float32[1x1x4x4] = input()
      r: float32[1x1x4x4] = relu(x)
      y: float32[1x1x2x2] = avgPool(r) kernel=3,3 stride=2,2 pads=0,0,1,1 countPad=true
      -> y"
    `);
  });

  it.each([
    padded(1, { op: "conv", id: "y", inputs: ["p", "w"], attrs: unitConv }),
    padded(-1, { op: "maxPool", id: "y", inputs: ["p"], attrs: pool }),
    padded(0, { op: "maxPool", id: "y", inputs: ["p"], attrs: { ...pool, ceil: true } }),
    padded(0, { op: "maxPool", id: "y", inputs: ["p"], attrs: { ...pool, kernel: [1, 1] } }),
  ])("stays where the result would differ: %#", (graph) => {
    expect(canonicalize(graph)).toBe(graph);
  });

  it("stays where pooled values may be negative", () => {
    const graph = graphOf([
      image(1, 6, 6),
      { op: "maxPool", id: "first", inputs: ["x"], attrs: pool },
      { op: "pad", id: "p", inputs: ["first"], attrs: { pads: [1, 1, 1, 1], value: 0 } },
      { op: "maxPool", id: "y", inputs: ["p"], attrs: pool },
    ]);
    expect(canonicalize(graph)).toBe(graph);
  });
});

describe("constants", () => {
  it("are computed where all inputs are constant", () => {
    const graph = graphOf([
      image(2, 1, 1),
      constant("a", float32([2, 3], [0, 1, 2, 3, 4, 5])),
      constant("row", float32([3], [10, 20, 30])),
      { op: "add", id: "sum", inputs: ["a", "row"], attrs: {} },
      { op: "transpose", id: "turned", inputs: ["sum"], attrs: { perm: [1, 0] } },
      { op: "slice", id: "part", inputs: ["turned"], attrs: { axis: 1, start: 1, end: 2 } },
      { op: "concat", id: "joined", inputs: ["part", "turned"], attrs: { axis: 1 } },
      { op: "reshape", id: "flat", inputs: ["joined"], attrs: { shape: [-1] } },
    ]);
    expect(constantsOf(canonical(graph))).toEqual({
      flat: [13, 10, 13, 24, 21, 24, 35, 32, 35],
    });
  });

  it("of 64-bit integers move unchanged", () => {
    const wide = {
      dtype: "int64",
      shape: [2, 2],
      data: BigInt64Array.of(1n, -(2n ** 62n), 3n, 4n),
    };
    const graph = graphOf([
      image(1, 1, 1),
      constant("wide", wide as Tensor),
      { op: "transpose", id: "turned", inputs: ["wide"], attrs: { perm: [1, 0] } },
    ]);
    const node = canonical(graph).nodes.at(-1);
    expect(node?.op === "const" && node.attrs.tensor.data).toEqual(
      BigInt64Array.of(1n, 3n, -(2n ** 62n), 4n),
    );
  });

  it("do not grow without bound", () => {
    const graph = graphOf([
      image(1, 1, 1),
      constant("column", float32([5000, 1], new Float32Array(5000))),
      constant("row", float32([1, 5000], new Float32Array(5000))),
      { op: "mul", id: "outer", inputs: ["column", "row"], attrs: {} },
    ]);
    expect(canonicalize(graph)).toBe(graph);
  });

  it("behind dequantize stay integers", () => {
    const graph = graphOf([
      image(1, 1, 1),
      constant("q", { dtype: "int8", shape: [2], data: Int8Array.of(1, 2) }),
      constant("s", float32([], [0.5])),
      constant("z", { dtype: "int8", shape: [], data: Int8Array.of(0) }),
      { op: "dequantize", id: "d", inputs: ["q", "s", "z"], attrs: { axis: 0 } },
    ]);
    expect(canonicalize(graph)).toBe(graph);
  });
});

describe("canonicalize", () => {
  it("reports the passes that changed something, and is idempotent", () => {
    const names: string[] = [];
    const once = canonicalize(graphOf(caffeTriple), { onPass: (name) => names.push(name) });
    expect(names).toEqual(["fold-batch-norm"]);
    expect(canonicalize(once)).toBe(once);
    expect(canonicalPasses.map((pass) => pass.name)).toContain("fold-batch-norm");
  });
});
