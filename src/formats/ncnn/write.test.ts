import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InlayError } from "../../error.ts";
import { constantOf, type Graph, nodeMap } from "../../ir/graph.ts";
import { type Chunks, joinBytes } from "../../tensor/chunks.ts";
import { float32 } from "../../tensor/tensor.ts";
import { floatText } from "./print-param.ts";
import { readNcnn } from "./read.ts";
import { writeNcnn } from "./write.ts";

/** Two channels of 2x2 pixels, a convolution of one output, a softmax over the flattened pixels. */
const small: Graph = {
  name: "small",
  nodes: [
    { op: "input", id: "data", inputs: [], attrs: { dtype: "float32", shape: [1, 2, 2, 2] } },
    { op: "const", id: "w", inputs: [], attrs: { tensor: float32([1, 2, 1, 1], [1, -2]) } },
    { op: "const", id: "b", inputs: [], attrs: { tensor: float32([1], [0.5]) } },
    {
      ...{ op: "conv", id: "conv", inputs: ["data", "w", "b"] },
      attrs: { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
    },
    { op: "relu", id: "leaky", inputs: ["conv"], attrs: { slope: 0.25 } },
    { op: "flatten", id: "flat", inputs: ["leaky"], attrs: { axis: 1, endAxis: -1 } },
    { op: "softmax", id: "prob", inputs: ["flat"], attrs: { axis: 1 } },
  ],
  outputs: [{ name: "prob", id: "prob" }],
  opsets: {},
};

const words = (...chunks: Chunks): readonly number[] => {
  const bytes = joinBytes(chunks);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getInt32(at * 4, true));
};

const [half, quarter, one, minusTwo] = [0x3f000000, 0x3e800000, 0x3f800000, 0xc0000000 | 0];

describe("the files of a small network, computed by hand", () => {
  const { param, paramBinary, bin } = writeNcnn(small);

  test("text", () => {
    expect(param.replaceAll(/ +/g, " ")).toBe(
      [
        ...["7767517", "5 5", "Input data 0 1 data 0=2 1=2 2=2"],
        "Convolution conv 1 1 data conv 0=1 1=1 2=1 3=1 4=0 5=1 6=2",
        ...["ReLU leaky 1 1 conv leaky 0=0.25", "Flatten flat 1 1 leaky flat"],
        ...["Softmax prob 1 1 flat prob 0=0 1=1", ""],
      ].join("\n"),
    );
  });

  test("binary", () => {
    const end = -233;
    expect(words(paramBinary)).toEqual([
      ...[7767517, 5, 5],
      ...[16, 0, 1, 0, 0, 2, 1, 2, 2, 2, end],
      ...[6, 1, 1, 0, 1, 0, 1, 1, 1, 2, 1, 3, 1, 4, 0, 5, 1, 6, 2, end],
      ...[26, 1, 1, 1, 2, 0, quarter, end],
      ...[14, 1, 1, 2, 3, end],
      ...[32, 1, 1, 3, 4, 0, 0, 1, 1, end],
    ]);
  });

  test("weights: the flag of float32, the weights, the bias without a flag", () => {
    expect(words(...bin)).toEqual([0, one, minusTwo, half]);
    const weight = constantOf(nodeMap(small).get("w"));
    expect(bin[1]?.buffer).toBe(weight?.data.buffer);
  });

  test("weights as halves: their flag, and a multiple of four bytes", () => {
    const { bin: halves } = writeNcnn(small, { half: true });
    expect(words(...halves)).toEqual([0x01306b47, (0xc000 << 16) | 0x3c00, half]);
    const odd = float32([3, 2, 1, 1], [1, 1, 1, 1, 1, 65520]);
    const nodes = small.nodes.map((node) =>
      node.id === "w" ? { ...node, attrs: { tensor: odd } } : node,
    ) as Graph["nodes"];
    const unbiased = nodes.map((node) =>
      node.id === "conv" ? { ...node, inputs: ["data", "w"] } : node,
    ) as Graph["nodes"];
    const wide = { ...small, nodes: unbiased };
    expect(() => writeNcnn(wide, { half: true })).toThrow(
      "conv: a weight does not fit half precision",
    );
    expect(words(...writeNcnn(wide).bin)).toHaveLength(7);
  });

  test("three halves take eight bytes", () => {
    const tensor = float32([3, 1], [1, 2, 3]);
    const nodes: Graph["nodes"] = [
      { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape: [1, 1] } },
      { op: "const", id: "w", inputs: [], attrs: { tensor } },
      { op: "linear", id: "fc", inputs: ["x", "w"], attrs: {} },
    ];
    const graph = { name: "g", nodes, outputs: [{ name: "fc", id: "fc" }], opsets: {} };
    const { bin } = writeNcnn(graph, { half: true });
    expect(words(...bin)).toEqual([0x01306b47, 0x40003c00, 0x4200]);
  });
});

describe("numbers in text", () => {
  test.each([
    [0, "0.0"],
    [1, "1.0"],
    [-233, "-233.0"],
    [Math.fround(0.1), "0.1"],
    [6e-8, "6e-8"],
    [2 ** 40, "1.0995116e+12"],
    [-(2 - 2 ** -23) * 2 ** 127, "-3.4028235e+38"],
  ])("%f is %s", (value, text) => {
    expect(floatText(value)).toBe(text);
  });

  test("are exact, told from integers, and short enough for every version of ncnn", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = floatText(value);
        expect(Math.fround(Number(text))).toBe(value === 0 ? 0 : value);
        expect(text).toMatch(/[.e]/);
        expect(text.length).toBeLessThanOrEqual(15);
        for (const digits of text.match(/\d+/g) ?? []) expect(digits.length).toBeLessThan(10);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("names", () => {
  test("lose blanks, are cut to what ncnn scans, and stay different", () => {
    const long = "é".repeat(200);
    const nodes: Graph["nodes"] = [
      { op: "input", id: "in put", inputs: [], attrs: { dtype: "float32", shape: [1, 3] } },
      { op: "relu", id: `${long}a`, inputs: ["in put"], attrs: { slope: 0 } },
      { op: "abs", id: `${long}b`, inputs: [`${long}a`], attrs: {} },
      { op: "abs", id: "in_put", inputs: [`${long}b`], attrs: {} },
    ];
    const graph = { name: "g", nodes, outputs: [{ name: "the end", id: "in_put" }], opsets: {} };
    const lines = writeNcnn(graph).param.trim().split("\n").slice(2);
    const rows = lines.map((line) => line.split(/ +/));
    expect(new Set(rows.map((row) => row[1])).size).toBe(4);
    for (const name of rows.flat()) {
      expect(new TextEncoder().encode(name).length).toBeLessThan(256);
    }
    expect(lines.at(-1)).toMatch(/ the_end$/);
    const { param, bin } = writeNcnn(graph);
    const files = {
      param: { name: "p", content: param },
      bin: { name: "b", content: joinBytes(bin) },
    };
    expect(readNcnn(files).outputs.map(({ name }) => name)).toEqual(["the_end"]);
  });

  test("two outputs of one name are an error", () => {
    const outputs = [...small.outputs, { name: "prob", id: "flat" }];
    expect(() => writeNcnn({ ...small, outputs })).toThrow(InlayError);
  });
});
