import { describe, expect, test } from "vitest";
import { sampleGraph } from "../../test/report-sample.ts";
import type { Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { ConvAttrs, Node } from "../ir/ops.ts";
import type { Shape } from "../tensor/shape.ts";
import { float32, int64, tensor } from "../tensor/tensor.ts";
import { peakActivationBytes } from "./cost.ts";
import { inspectGraph } from "./inspect.ts";

const plain: ConvAttrs = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };

function input(id: string, shape: Shape): Node {
  return { op: "input", id, inputs: [], attrs: { dtype: "float32", shape } };
}

/** A constant of 1, 2, 3, ..., or of the values given. */
function constant(id: string, shape: Shape, values?: readonly number[]): Node {
  const count = shape.reduce((a, b) => a * b, 1);
  const data = values ?? Array.from({ length: count }, (_, at) => at + 1);
  return { op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } };
}

function conv(id: string, inputs: readonly string[], attrs: Partial<ConvAttrs> = {}): Node {
  return { op: "conv", id, inputs, attrs: { ...plain, ...attrs } };
}

function graph(nodes: readonly Node[], output: string): Graph {
  return { name: "net", nodes, outputs: [{ name: "out", id: output }], opsets: {} };
}

const inspect = (value: Graph) => inspectGraph(value, { source: ["net.onnx"], format: "onnx" });
const kinds = (value: Graph) => inspect(value).unusual.map(({ kind, node }) => `${kind} ${node}`);

describe("counts by hand", () => {
  test("a convolution: parameters, work, bytes", () => {
    const nodes = [
      input("x", [1, 3, 8, 8]),
      constant("w", [4, 3, 3, 3]),
      constant("b", [4]),
      conv("c", ["x", "w", "b"]),
    ];
    const report = inspect(graph(nodes, "c"));
    expect(report.layers).toEqual([
      {
        name: "c",
        op: "conv",
        inputs: ["x"],
        outputShape: [1, 4, 6, 6],
        parameters: 112,
        macs: 4 * 6 * 6 * 27,
        weightBytes: 448,
        activationBytes: 576,
      },
    ]);
    expect(report.totals).toEqual({
      layers: 1,
      parameters: 112,
      macs: 3888,
      weightBytes: 448,
      peakActivationBytes: 4 * (192 + 144),
    });
    expect(report.inputs).toEqual([{ name: "x", dtype: "float32", shape: [1, 3, 8, 8] }]);
    expect(report.outputs).toEqual([{ name: "out", dtype: "float32", shape: [1, 4, 6, 6] }]);
  });

  test("groups, deconvolution, fully connected", () => {
    const nodes: readonly Node[] = [
      input("x", [2, 4, 5, 5]),
      constant("w1", [8, 2, 1, 1]),
      conv("grouped", ["x", "w1"], { groups: 2 }),
      constant("w2", [8, 3, 2, 2]),
      {
        op: "deconv",
        id: "up",
        inputs: ["grouped", "w2"],
        attrs: { ...plain, outputPads: [0, 0] },
      },
      { op: "flatten", id: "flat", inputs: ["up"], attrs: { axis: 1, endAxis: -1 } },
      constant("w3", [10, 108]),
      { op: "linear", id: "fc", inputs: ["flat", "w3"], attrs: {} },
    ];
    const work = inspect(graph(nodes, "fc")).layers.map(({ name, macs }) => [name, macs]);
    expect(work).toEqual([
      ["grouped", 2 * 8 * 25 * 2],
      ["up", 2 * 8 * 25 * 12],
      ["flat", 0],
      ["fc", 2 * 10 * 108],
    ]);
  });

  test("a shared constant counts once in the total", () => {
    const nodes = [
      input("x", [1, 4, 2, 2]),
      constant("w", [4, 4, 1, 1]),
      conv("a", ["x", "w"]),
      conv("b", ["a", "w"]),
    ];
    const report = inspect(graph(nodes, "b"));
    expect(report.layers.map((layer) => layer.parameters)).toEqual([16, 16]);
    expect(report.totals.parameters).toBe(16);
    expect(kinds(graph(nodes, "b"))).toEqual(["shared-weights w"]);
  });
});

describe("peak memory", () => {
  test("a shortcut keeps its value alive", () => {
    const chain: Node[] = [input("x", [1, 1, 10, 10])];
    for (const [id, from] of [
      ["a", "x"],
      ["b", "a"],
      ["c", "b"],
    ] as const) {
      chain.push({ op: "abs", id, inputs: [from], attrs: {} });
    }
    const straight = graph(chain, "c");
    expect(peakActivationBytes(straight, inferTypes(straight))).toBe(2 * 400);
    const shortcut = graph([...chain, { op: "add", id: "s", inputs: ["c", "x"], attrs: {} }], "s");
    // x, c and s, or x, b and c.
    expect(peakActivationBytes(shortcut, inferTypes(shortcut))).toBe(3 * 400);
  });

  test("outputs live to the end", () => {
    const nodes: readonly Node[] = [
      input("x", [1, 1, 10, 10]),
      { op: "abs", id: "a", inputs: ["x"], attrs: {} },
      { op: "abs", id: "b", inputs: ["a"], attrs: {} },
      { op: "abs", id: "c", inputs: ["b"], attrs: {} },
    ];
    const two = {
      ...graph(nodes, "c"),
      outputs: [
        { name: "a", id: "a" },
        { name: "c", id: "c" },
      ],
    };
    expect(peakActivationBytes(two, inferTypes(two))).toBe(3 * 400);
  });

  test("the results of an opaque node live while they are read", () => {
    const type = { dtype: "float32", shape: [1, 100] } as const;
    const nodes: readonly Node[] = [
      input("x", [1, 100]),
      {
        op: "opaque",
        id: "split",
        inputs: ["x"],
        attrs: { domain: "", opType: "Foo", attributes: [], outputs: [type, type] },
      },
      { op: "result", id: "r0", inputs: ["split"], attrs: { index: 0 } },
      { op: "result", id: "r1", inputs: ["split"], attrs: { index: 1 } },
      { op: "add", id: "sum", inputs: ["r0", "r1"], attrs: {} },
    ];
    const value = graph(nodes, "sum");
    expect(peakActivationBytes(value, inferTypes(value))).toBe(3 * 400);
    const report = inspect(value);
    expect(report.layers[0]).toMatchObject({
      op: "Foo",
      macs: null,
      outputShape: [1, 100],
      activationBytes: 800,
    });
    expect(report.layers[1]?.inputs).toEqual(["split", "split"]);
    expect(report.opaque).toEqual([{ opType: "Foo", domain: "", nodes: ["split"] }]);
    expect(kinds(value)).toEqual(["float-only split"]);
  });
});

describe("unusual", () => {
  const one = (weights: readonly number[], shape: Shape = [2, 2, 1, 1]): Graph =>
    graph(
      [input("x", [1, shape[1] ?? 1, 4, 4]), constant("w", shape, weights), conv("c", ["x", "w"])],
      "c",
    );

  test("nothing, where nothing is", () => {
    expect(kinds(one([1, 2, 3, 4]))).toEqual([]);
  });

  test("damage and zeros", () => {
    expect(kinds(one([1, Number.NaN, 3, 4]))).toEqual(["not-finite c"]);
    expect(kinds(one([1, Number.NEGATIVE_INFINITY, 3, 4]))).toEqual(["not-finite c"]);
    expect(kinds(one([0, 0, 0, 0]))).toEqual(["zero-layer c"]);
    expect(kinds(one([0, 0, 3, 4]))).toEqual(["dead-channels c"]);
    expect(kinds(one([1e-31, 0, 3, 4]))).toEqual(["dead-channels c"]);
    expect(kinds(one([0, 0, 3, 0, 1, 0], [2, 3, 1, 1]))).toEqual(["sparse c"]);
    expect(kinds(one([1, 2, 3, 1e5]))).toEqual(["huge-value c", "channel-range c"]);
    expect(kinds(one([1e-4, 0, 1, 1]))).toEqual(["channel-range c"]);
  });

  test("a network whose layers are all zero has no weights", () => {
    const zeros = (id: string): Node => constant(id, [2, 2, 1, 1], [0, 0, 0, 0]);
    const nodes = [
      input("x", [1, 2, 1, 1]),
      zeros("w1"),
      zeros("w2"),
      conv("a", ["x", "w1"]),
      conv("b", ["a", "w2"]),
    ];
    expect(kinds(graph(nodes, "b"))).toEqual(["no-weights null"]);
  });

  test("zero biases are usual, NaN biases are not", () => {
    const bias = (values: readonly number[]): Graph =>
      graph(
        [
          input("x", [1, 2, 1, 1]),
          constant("w", [2, 2, 1, 1]),
          constant("b", [2], values),
          conv("c", ["x", "w", "b"]),
        ],
        "c",
      );
    expect(kinds(bias([0, 0]))).toEqual([]);
    expect(inspect(bias([0, Number.NaN])).unusual).toEqual([
      { kind: "not-finite", node: "c", message: "bias: 1 values are NaN or infinite" },
    ]);
  });

  test("variances", () => {
    const nodes: readonly Node[] = [
      input("x", [1, 3, 1, 1]),
      constant("mean", [3]),
      constant("variance", [3], [1, 0, -1]),
      { op: "batchNorm", id: "bn", inputs: ["x", "mean", "variance"], attrs: { epsilon: 1e-5 } },
    ];
    expect(kinds(graph(nodes, "bn"))).toEqual(["negative-variance bn", "tiny-variance bn"]);
  });

  test("copies", () => {
    const nodes = [
      input("x", [1, 8, 1, 1]),
      constant("w1", [8, 8, 1, 1]),
      constant("w2", [8, 8, 1, 1]),
      constant("zeros", [8, 8, 1, 1], new Array<number>(64).fill(0.5)),
      constant("same", [8, 8, 1, 1], new Array<number>(64).fill(0.5)),
      conv("a", ["x", "w1"]),
      conv("b", ["a", "w2"]),
      conv("c", ["b", "zeros"]),
      conv("d", ["c", "same"]),
    ];
    expect(inspect(graph(nodes, "d")).unusual).toEqual([
      { kind: "duplicate", node: "w2", message: "holds the same values as w1" },
    ]);
  });

  test("windows", () => {
    const window = (shape: Shape, attrs: Partial<ConvAttrs>): readonly string[] =>
      inspect(
        graph(
          [input("x", [1, 4, 32, 32]), constant("w", shape), conv("c", ["x", "w"], attrs)],
          "c",
        ),
      ).unusual.map(({ kind }) => kind);
    expect(window([4, 1, 3, 3], { groups: 4 })).toEqual(["depthwise"]);
    expect(window([8, 1, 3, 3], { groups: 4 })).toEqual(["grouped"]);
    expect(window([4, 2, 3, 3], { groups: 2 })).toEqual(["grouped"]);
    expect(window([2, 4, 4, 4], { stride: [2, 2] })).toEqual(["even-kernel"]);
    expect(window([2, 4, 1, 7], {})).toEqual(["oblong-kernel"]);
    expect(window([2, 4, 11, 11], { stride: [4, 4] })).toEqual(["large-kernel"]);
    expect(window([2, 4, 1, 1], { stride: [2, 2] })).toEqual(["skipped-pixels"]);
    expect(window([2, 4, 3, 3], { pads: [0, 0, 1, 1] })).toEqual(["asymmetric-pads"]);
    expect(window([2, 4, 3, 3], { dilation: [2, 2] })).toEqual(["dilated"]);
    expect(window([2, 4, 3, 3], { stride: [1, 2] })).toEqual(["uneven-stride"]);
  });

  test("dead ends", () => {
    const nodes: readonly Node[] = [
      input("x", [1, 2]),
      input("spare", [1, 2]),
      { op: "abs", id: "used", inputs: ["x"], attrs: {} },
      { op: "abs", id: "dead", inputs: ["x"], attrs: {} },
    ];
    expect(kinds(graph(nodes, "used"))).toEqual(["unused-input spare", "dead-output dead"]);
  });

  test("integers that only steer are no parameters", () => {
    const nodes: readonly Node[] = [
      input("x", [1, 2]),
      { op: "const", id: "shape", inputs: [], attrs: { tensor: int64([2], [2, 1]) } },
      {
        op: "const",
        id: "half",
        inputs: [],
        attrs: { tensor: tensor("float16", [2], new Uint16Array(2)) },
      },
      {
        op: "opaque",
        id: "o",
        inputs: ["x", "", "shape", "half"],
        attrs: { domain: "my", opType: "Op", attributes: [], outputs: [undefined] },
      },
      { op: "result", id: "r", inputs: ["o"], attrs: { index: 0 } },
      { op: "abs", id: "a", inputs: ["r"], attrs: {} },
    ];
    const report = inspect(graph(nodes, "a"));
    expect(report.totals).toMatchObject({ parameters: 2, weightBytes: 4 });
    expect(report.layers.map((layer) => layer.activationBytes)).toEqual([null, null]);
    expect(report.unusual.map(({ kind, node }) => `${kind} ${node}`)).toEqual([
      "float-only o",
      "unknown-shape a",
      "unknown-shape o",
    ]);
  });
});

test("the sample network adds up", () => {
  const report = inspect(sampleGraph());
  const sum = report.layers.reduce((total, layer) => total + (layer.macs ?? 0), 0);
  expect(report.totals.macs).toBe(sum);
  expect(report.unusual.filter(({ kind }) => kind === "depthwise")).toHaveLength(13);
});
