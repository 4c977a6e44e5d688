/**
 * Networks written as ncnn and read back compute the same: every Caffe layer and ONNX operator of the support
 * table, SSD's layers, and what only a graph can hold.
 */
import { describe, expect, test } from "vitest";
import { InlayError } from "../src/error.ts";
import { readNcnn } from "../src/formats/ncnn/read.ts";
import { writeNcnn } from "../src/formats/ncnn/write.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node, Op, Ops } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { chunksLength, joinBytes } from "../src/tensor/chunks.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { smallGraph } from "./small-graph.ts";
import { caffeExamples, onnxExamples } from "./support-examples.ts";
import { caffeSketch, onnxSketch } from "./support-sketch.ts";

function again(graph: Graph, form: "text" | "binary", half = false): Graph {
  const files = writeNcnn(graph, { half });
  const bin = { name: "net.bin", content: joinBytes(files.bin) };
  return form === "text"
    ? readNcnn({ param: { name: "net.param", content: files.param }, bin })
    : readNcnn({ paramBinary: { name: "net.param.bin", content: files.paramBinary }, bin });
}

const random = createRandom(7);
const randomTensor = (shape: Shape): Tensor<"float32"> =>
  float32(
    shape,
    Array.from({ length: elementCount(shape) }, () => random.normal()),
  );

const inputsOf = (graph: Graph): readonly Node<"input">[] =>
  graph.nodes.filter((node): node is Node<"input"> => node.op === "input");

/** Outputs in the order in which their nodes stand, since the binary form has no names. */
function outputsOf(graph: Graph, feeds: readonly Tensor[]): readonly Tensor[] {
  const named = new Map(inputsOf(graph).map(({ id }, at) => [id, feeds[at]!]));
  const values = runScalar(graph, named);
  return graph.outputs.map(({ id }) => values.get(id)!);
}

/** Both forms compute what the graph computes. */
function expectSame(graph: Graph, tolerance = 1e-6): void {
  const feeds = inputsOf(graph).map(({ attrs }) => randomTensor(attrs.shape.with(0, 1)));
  const expected = outputsOf(graph, feeds);
  for (const form of ["text", "binary"] as const) {
    const read = again(graph, form);
    const got = outputsOf(read, feeds);
    if (form === "text") expect(read.outputs.map(({ name }) => name)).toEqual(names(graph));
    expect(got.map(({ shape }) => shape)).toEqual(expected.map(({ shape }) => shape));
    got.forEach((value, at) => {
      expectClose(toNumbers(value), toNumbers(expected[at]!), tolerance);
    });
  }
}

const names = (graph: Graph): readonly string[] => graph.outputs.map(({ name }) => name);

function expectClose(got: readonly number[], expected: readonly number[], tolerance: number): void {
  const far = got.findIndex(
    (value, at) => !(Math.abs(value - expected[at]!) <= tolerance * (1 + Math.abs(expected[at]!))),
  );
  if (far >= 0 && !Object.is(got[far], expected[far]))
    expect([far, got[far]]).toEqual([far, expected[far]]);
}

/** What becomes of a sketch: "same", or why ncnn cannot say it. */
function fateOf(graph: Graph): string {
  try {
    writeNcnn(graph);
  } catch (error) {
    if (error instanceof InlayError) return `${error.fields.node}: ${error.fields.what}`;
    throw error;
  }
  expectSame(graph);
  return "same";
}

describe("the operators of the support table", () => {
  test("Caffe layers", () => {
    const fates = Object.entries(caffeExamples).flatMap(([type, variants]) =>
      Object.entries(variants).map(([settings, layer]) => [
        `${type} ${settings}`.trim(),
        fateOf(caffeSketch(layer)),
      ]),
    );
    expect(Object.fromEntries(fates.filter(([, fate]) => fate !== "same"))).toMatchSnapshot();
    expect(fates.length).toBeGreaterThan(45);
  });

  test("ONNX operators", () => {
    const fates = Object.entries(onnxExamples).flatMap(([type, variants]) =>
      Object.entries(variants).map(([settings, sketch]) => [
        `${type} ${settings}`.trim(),
        fateOf(onnxSketch(sketch)),
      ]),
    );
    expect(Object.fromEntries(fates.filter(([, fate]) => fate !== "same"))).toMatchSnapshot();
    expect(fates.length).toBeGreaterThan(45);
  });
});

/** One operator over random inputs and constants of the given shapes. */
function probe<K extends Op>(
  op: K,
  attrs: Ops[K],
  fed: readonly Shape[],
  consts: readonly Shape[] = [],
): Graph {
  const positive = (shape: Shape): Tensor => {
    const { data } = randomTensor(shape);
    return float32(
      shape,
      data.map((value) => Math.abs(value) + 0.1),
    );
  };
  return smallGraph(op, attrs, fed.map(randomTensor), consts.map(positive)).graph;
}

const window = { stride: [2, 1], pads: [1, 0, 2, 3], dilation: [1, 2], groups: 1 } as const;
const pool = {
  kernel: [3, 2],
  stride: [2, 2],
  pads: [0, 0, 0, 0],
  dilation: [1, 1],
  ceil: true,
} as const;

describe("settings", () => {
  test("convolutions: sizes, strides, dilations and pads that differ per axis and side; groups", () => {
    expectSame(probe("conv", window, [[1, 4, 9, 8]], [[6, 4, 3, 2], [6]]));
    expectSame(probe("conv", { ...window, groups: 2 }, [[1, 4, 9, 8]], [[6, 2, 3, 2], [6]]));
    expectSame(probe("conv", { ...window, groups: 4 }, [[1, 4, 9, 8]], [[4, 1, 3, 2]]));
  });

  test("deconvolutions: groups, and added rows with and without pads that take them back", () => {
    const attrs = { ...window, pads: [1, 0, 1, 1], outputPads: [1, 0] } as const;
    expectSame(probe("deconv", attrs, [[1, 4, 5, 4]], [[4, 6, 3, 2], [6]]));
    expectSame(probe("deconv", { ...attrs, groups: 2 }, [[1, 4, 5, 4]], [[4, 3, 3, 2], [6]]));
    const added = { ...attrs, pads: [0, 0, 0, 0], dilation: [1, 1] } as const;
    expectSame(probe("deconv", added, [[1, 4, 5, 4]], [[4, 6, 3, 2]]));
    expect(
      writeNcnn(probe("deconv", attrs, [[1, 4, 5, 4]], [[4, 6, 3, 2], [6]])).param,
    ).not.toContain(" 19=");
  });

  test("pooling: rounding up, down, dropped windows, and what divisors count", () => {
    for (const size of [6, 7, 8, 9]) {
      for (const ceil of [true, false]) {
        for (const pads of [
          [0, 0, 0, 0],
          [1, 1, 1, 1],
          [0, 1, 1, 0],
        ] as const) {
          const attrs = { ...pool, ceil, pads };
          expectSame(probe("maxPool", attrs, [[1, 3, size, size + 1]]));
          expectSame(probe("avgPool", { ...attrs, countPad: true }, [[1, 3, size, size + 1]]));
          expectSame(probe("avgPool", { ...attrs, countPad: false }, [[1, 3, size, size + 1]]));
        }
      }
    }
    const dropped = { ...pool, kernel: [2, 2], pads: [1, 1, 1, 1] } as const;
    expectSame(probe("maxPool", dropped, [[1, 2, 5, 5]]));
    const small = { ...pool, kernel: [3, 3], stride: [3, 3] } as const;
    expectSame(probe("maxPool", small, [[1, 2, 2, 2]]));
  });

  test("a global pooling between layers that need an image", () => {
    const { nodes } = probe("globalAvgPool", {}, [[1, 4, 5, 5]]);
    const scaled: Node = { op: "mul", id: "z", inputs: ["x0", "y"], attrs: {} };
    const graph = {
      name: "g",
      nodes: [...nodes, scaled],
      outputs: [{ name: "z", id: "z" }],
      opsets: {},
    };
    expectSame(graph);
  });

  test("arithmetic with constants, numbers and broadcast values, from either side", () => {
    const image: Shape = [1, 4, 5, 6];
    for (const op of ["sub", "div", "mul", "maximum", "add"] as const) {
      expectSame(probe(op, {}, [image, image]));
      expectSame(probe(op, {}, [image, [1, 4, 1, 1]]));
      expectSame(probe(op, {}, [image, [1, 1]]));
      expectSame(probe(op, {}, [image], [[4, 1, 1]]));
      expectSame(probe(op, {}, [image], [[]]));
      const { nodes, outputs, ...rest } = probe(op, {}, [image], [[1, 1, 5, 6]]);
      const swapped = nodes.map((node) =>
        node.id === "y" ? { ...node, inputs: node.inputs.toReversed() } : node,
      ) as readonly Node[];
      expectSame({ ...rest, nodes: swapped, outputs });
    }
    expectSame(probe("add", { coefficients: [1, -2, 0.5] }, [image, image, image]));
    expectSame(probe("add", { coefficients: [1, -2, 0.5] }, [image, [1, 4, 1, 1]], [[5, 6]]));
  });

  test("scales and shifts by channel, by number, along other axes, and computed", () => {
    const image: Shape = [1, 4, 5, 6];
    expectSame(probe("scale", { axis: 1 }, [image], [[4], [4]]));
    expectSame(
      probe(
        "scale",
        { axis: 2 },
        [image],
        [
          [5, 6],
          [5, 6],
        ],
      ),
    );
    expectSame(probe("scale", { axis: 0 }, [image], [[1], [1]]));
    expectSame(probe("scale", { axis: 0 }, [image, [1, 4]]));
    expectSame(probe("bias", { axis: 1 }, [image], [[4]]));
    expectSame(probe("bias", { axis: 1 }, [[1, 4]], [[4]]));
    expectSame(probe("bias", { axis: 0 }, [image, [1, 4]]));
  });

  test("norms", () => {
    const image: Shape = [1, 4, 5, 6];
    const lrn = { size: 3, alpha: 0.5, beta: 0.75, k: 2 };
    expectSame(probe("lrn", { ...lrn, region: "across" }, [image]));
    expectSame(probe("lrn", { ...lrn, region: "within" }, [image]));
    expectSame(probe("normalize", { acrossSpatial: true, epsilon: 1e-3 }, [image], [[1]]));
    expectSame(probe("normalize", { acrossSpatial: false, epsilon: 1e-3 }, [image], [[4]]));
    expectSame(probe("batchNorm", { epsilon: 1e-3 }, [image], [[4], [4], [4], [4]]));
    expectSame(probe("batchNorm", { epsilon: 1e-3 }, [[1, 4]], [[4], [4]]));
    expectSame(probe("prelu", {}, [image], [[4]]));
  });

  test("all permutations, slices, pads and sizes", () => {
    const image: Shape = [1, 4, 5, 6];
    for (const perm of [
      [0, 1, 2, 3],
      [0, 1, 3, 2],
      [0, 2, 1, 3],
      [0, 2, 3, 1],
      [0, 3, 1, 2],
      [0, 3, 2, 1],
    ]) {
      expectSame(probe("transpose", { perm }, [image]));
    }
    expectSame(probe("transpose", { perm: [0, 2, 1] }, [[1, 4, 5]]));
    for (const axis of [1, 2, 3]) expectSame(probe("slice", { axis, start: 1, end: 3 }, [image]));
    expectSame(probe("slice", { axis: 1, start: 1, end: 3 }, [[1, 4]]));
    expectSame(probe("pad", { pads: [1, 2, 3, 0], value: -0.3 }, [image]));
    for (const factor of [
      [2, 2],
      [3, 5],
      [7, 6],
    ] as const) {
      expectSame(probe("resize", { mode: "nearest", alignCorners: false, factor }, [image]));
      expectSame(probe("resize", { mode: "bilinear", alignCorners: false, factor }, [image]));
    }
    expectSame(probe("resize", { mode: "bilinear", alignCorners: true, size: [9, 11] }, [image]));
    expectSame(probe("argMax", { topK: 3, outMaxVal: false }, [image]));
    for (const axis of [1, 2, 3]) expectSame(probe("softmax", { axis }, [image]));
    for (const axis of [1, -1]) expectSame(probe("concat", { axis }, [image, image]));
  });
});

const input = (id: string, shape: Shape): Node => {
  return { op: "input", id, inputs: [], attrs: { dtype: "float32", shape } };
};

describe("networks", () => {
  test("values with several readers, slices that share a layer, outputs given twice and read too", () => {
    const nodes: readonly Node[] = [
      input("x y", [3, 4, 6, 6]),
      { op: "slice", id: "low", inputs: ["x y"], attrs: { axis: 1, start: 0, end: 1 } },
      { op: "slice", id: "high", inputs: ["x y"], attrs: { axis: 1, start: 1, end: 4 } },
      { op: "relu", id: "r", inputs: ["high"], attrs: { slope: 0 } },
      { op: "add", id: "twice", inputs: ["r", "r"], attrs: {} },
      { op: "concat", id: "all", inputs: ["twice", "low"], attrs: { axis: 1 } },
    ];
    const outputs = [
      { name: "first", id: "r" },
      { name: "second", id: "r" },
      { name: "last", id: "all" },
    ];
    const graph = { name: "g", nodes, outputs, opsets: {} };
    const { param } = writeNcnn(graph);
    expect(param).toMatchSnapshot();
    const read = again(graph, "text");
    expect(read.outputs.map(({ name }) => name).toSorted()).toEqual(["first", "last", "second"]);
    const feeds = [randomTensor([1, 4, 6, 6])];
    const values = new Map(read.outputs.map(({ name }, at) => [name, outputsOf(read, feeds)[at]]));
    const expected = outputsOf(graph, feeds);
    outputs.forEach(({ name }, at) => {
      expect(values.get(name)).toEqual(expected[at]);
    });
  });

  test("SSD's heads", () => {
    const convolved = (id: string, from: string, weight: Shape): readonly Node[] => [
      { op: "const", id: `${id}.w`, inputs: [], attrs: { tensor: randomTensor(weight) } },
      {
        ...{ op: "conv", id, inputs: [from, `${id}.w`] },
        attrs: { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
      },
      { op: "transpose", id: `${id}.p`, inputs: [id], attrs: { perm: [0, 2, 3, 1] } },
      { op: "flatten", id: `${id}.f`, inputs: [`${id}.p`], attrs: { axis: 1, endAxis: -1 } },
    ];
    const nodes: readonly Node[] = [
      input("data", [1, 3, 8, 8]),
      ...convolved("loc", "data", [16, 3, 1, 1]),
      ...convolved("conf", "data", [12, 3, 1, 1]),
      {
        ...{ op: "priorBox", id: "boxes", inputs: ["loc", "data"] },
        attrs: {
          ...{ minSizes: [3.5], maxSizes: [6], aspectRatios: [1, 2], flip: true, clip: true },
          ...{ variances: [0.1, 0.1, 0.2, 0.2], offset: 0.5, step: [1, 1] },
        },
      },
      { op: "reshape", id: "conf.r", inputs: ["conf.f"], attrs: { shape: [0, -1, 3] } },
      { op: "softmax", id: "conf.s", inputs: ["conf.r"], attrs: { axis: 2 } },
      { op: "flatten", id: "conf.g", inputs: ["conf.s"], attrs: { axis: 1, endAxis: -1 } },
      {
        ...{ op: "detectionOutput", id: "found", inputs: ["loc.f", "conf.g", "boxes"] },
        attrs: {
          ...{ classes: 3, shareLocation: true, backgroundLabel: 0, nmsThreshold: 0.45 },
          ...{ nmsTopK: -1, nmsEta: 1, keepTopK: 20, confidenceThreshold: 0.3 },
          ...{ codeType: "centerSize", varianceEncodedInTarget: false },
        },
      },
    ];
    expectSame({ name: "ssd", nodes, outputs: [{ name: "found", id: "found" }], opsets: {} });
  });

  test("weights as halves: half the bytes, the numbers within their precision", () => {
    const graph = probe("conv", window, [[1, 4, 9, 8]], [[6, 4, 3, 2], [6]]);
    const [whole, half] = [writeNcnn(graph), writeNcnn(graph, { half: true })];
    expect(half.param).toBe(whole.param);
    expect([whole.bin, half.bin].map(chunksLength)).toEqual([4 + 144 * 4 + 24, 4 + 144 * 2 + 24]);
    const feeds = [randomTensor([1, 4, 9, 8])];
    const [expected] = outputsOf(graph, feeds);
    const [got] = outputsOf(again(graph, "text", true), feeds);
    expectClose(toNumbers(got!), toNumbers(expected!), 5e-3);
  });
});

describe("what ncnn cannot say", () => {
  test.each([
    ["a chip's layer", probe("zeroInsert", { factor: [2, 2] }, [[1, 2, 3, 3]])],
    ["moving the batch", probe("transpose", { perm: [1, 0, 2, 3] }, [[1, 1, 3, 3]])],
    [
      "joining along the batch",
      probe("concat", { axis: 0 }, [
        [1, 2],
        [1, 2],
      ]),
    ],
    [
      "the largest along an axis",
      probe("argMax", { axis: 1, topK: 1, outMaxVal: false }, [[1, 4, 2, 2]]),
    ],
    ["stochastic pooling", probe("stochasticPool", pool, [[1, 2, 5, 5]])],
    [
      "computed weights",
      probe("linear", {}, [
        [1, 4],
        [3, 4],
      ]),
    ],
    ["a dilated window", probe("maxPool", { ...pool, dilation: [2, 2] }, [[1, 2, 9, 9]])],
  ])("%s is a named error", (_, graph) => {
    expect(() => writeNcnn(graph)).toThrow(InlayError);
    expect(() => writeNcnn(graph)).toThrow(/^\w+ "y": cannot be written as ncnn layers: .+ONNX/);
  });
});
