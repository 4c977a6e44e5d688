/** What the lowering emits, and what it refuses. That it computes the same is tested in test/shifted-simulation.test.ts. */
import { describe, expect, it } from "vitest";
import { type Graph, nodesOf } from "../ir/graph.ts";
import type { Node, Op, Ops } from "../ir/ops.ts";
import { float32, type Tensor, tensor } from "../tensor/tensor.ts";
import { accumulatorNeeds, mayOverflow } from "./accumulator-bounds.ts";
import { foldSample } from "./fold-sample.ts";
import { integerRanges } from "./integer-ranges.ts";
import { lowerIntegers } from "./lower-integers.ts";

type ShiftAttrs = Ops["shiftConv"];

const attrs: ShiftAttrs = {
  ...{ stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
  ...{ shift: 4, identityShift: 0, output: { kind: "levels", qMin: 0, qMax: 31 } },
};

function constant(id: string, value: Tensor): Node {
  return { op: "const", id, inputs: [], attrs: { tensor: value } };
}

/** 5-bit levels of `channels` channels. */
function levels(channels: number, size = 4): readonly Node[] {
  return [
    {
      op: "input",
      id: "x",
      inputs: [],
      attrs: { dtype: "float32", shape: [1, channels, size, size] },
    },
    { op: "toLevels", id: "q", inputs: ["x"], attrs: { step: 1, qMax: 31 } },
  ];
}

/** A 1x1 convolution to one channel with equal weights. */
function conv(
  id: string,
  inputs: readonly string[],
  weight: { readonly channels: number; readonly value: number },
  changed: Partial<ShiftAttrs> = {},
): readonly Node[] {
  const { channels, value } = weight;
  const weights = new Int32Array(channels).fill(value);
  const [x = "", ...identity] = inputs;
  return [
    constant(`${id}.w`, tensor("int32", [1, channels, 1, 1], weights)),
    constant(`${id}.b`, tensor("int32", [1], Int32Array.of(-4))),
    {
      op: "shiftConv",
      id,
      inputs: [x, `${id}.w`, `${id}.b`, ...identity],
      attrs: { ...attrs, ...changed },
    },
  ];
}

function graphOf(nodes: readonly Node[], outputs: readonly string[] = ["y"]): Graph {
  return { name: "g", nodes, outputs: outputs.map((id) => ({ name: id, id })), opsets: {} };
}

/** The operators that stand for the layer. */
function lowered(nodes: readonly Node[]): readonly Op[] {
  const { graph } = lowerIntegers(graphOf(nodes));
  const from = graph.nodes.findIndex(({ id }) => id === "q");
  const ops = graph.nodes.slice(from + 1).map(({ op }) => op);
  return ops.filter((op) => op !== "const");
}

const samplePool: Ops["maxPool"] = {
  ...{ kernel: [1, 1], stride: [2, 2], pads: [0, 0, 0, 0], dilation: [1, 1], ceil: true },
};

describe("a shiftConv becomes", () => {
  it("a convolution, its clamp, and a rounding", () => {
    expect(lowered([...levels(3), ...conv("y", ["q"], { channels: 3, value: 5 })])).toEqual([
      ...["conv", "clip", "add", "sub"],
    ]);
  });

  it("no rounding where there is nothing to round", () => {
    const layer = conv("y", ["q"], { channels: 3, value: 5 }, { shift: 0 });
    expect(lowered([...levels(3), ...layer])).toEqual(["conv", "clip"]);
  });

  it("weights times 2^-shift, a bias raised by half a step", () => {
    const layer = conv("y", ["q"], { channels: 1, value: 5 });
    const { graph } = lowerIntegers(graphOf([...levels(1), ...layer]));
    const [, weight, bias] = nodesOf(graph, "conv")[0]?.inputs ?? [];
    const data = [weight, bias].map((id) => {
      const node = graph.nodes.find((other) => other.id === id);
      return node?.op === "const" ? [...(node.attrs.tensor.data as Float32Array)] : [];
    });
    expect(data).toEqual([[5 / 16], [-3.5 / 16]]);
  });

  it("two runs of channels and a difference where sums pass 2^23", () => {
    const layer = conv("y", ["q"], { channels: 200, value: 2047 });
    expect(lowered([...levels(200), ...layer])).toEqual([
      ...["slice", "conv", "slice", "conv", "sub", "clip", "add", "sub"],
    ]);
  });

  it("digits of weights where one channel alone passes it", () => {
    const layer = conv("y", ["q"], { channels: 1, value: 2 ** 20 + 1 }, { shift: 15 });
    expect(lowered([...levels(1), ...layer])).toEqual([
      ...["conv", "conv", "sub", "clip", "add", "sub"],
    ]);
  });

  it("an error where sums are asked for that float32 does not hold", () => {
    const layer = conv(
      "y",
      ["q"],
      { channels: 300, value: 2047 },
      { output: { kind: "accumulator" } },
    );
    expect(() => lowered([...levels(300), ...layer])).toThrow("only the scalar definition");
    const wrapping = { accumulator: { bits: 20, overflow: "wrap" } } as const;
    const wide = conv("y", ["q"], { channels: 300, value: 2047 }, wrapping);
    expect(() => lowered([...levels(300), ...wide])).toThrow("only the scalar definition");
  });

  it("an error where nothing tells what comes in", () => {
    const [input] = levels(3);
    const layer = conv("y", ["x"], { channels: 3, value: 1 });
    expect(() => lowerIntegers(graphOf([...(input ? [input] : []), ...layer]))).toThrow("toLevels");
  });

  it("a product behind, for levels that become real", () => {
    const nodes = [
      ...levels(3),
      ...conv(
        "last",
        ["q"],
        { channels: 3, value: 5 },
        { output: { kind: "levels", qMin: 0, qMax: 1023 } },
      ),
      constant("s", float32([], [1 / 32])),
      constant("z", tensor("uint16", [], new Uint16Array(1))),
    ];
    const real: Node = {
      op: "dequantize",
      id: "y",
      inputs: ["last", "s", "z"],
      attrs: { axis: 1 },
    };
    expect(lowered([...nodes, real]).at(-1)).toBe("mul");
  });
});

describe("foldSample", () => {
  const pool: Node = { op: "maxPool", id: "y", inputs: ["c"], attrs: samplePool };
  const layer = conv("c", ["q"], { channels: 3, value: 5 }, { pads: [1, 1, 1, 1] });

  it("makes a stride of the pooling, under the pooling's id", () => {
    for (const size of [4, 5]) {
      const folded = foldSample(graphOf([...levels(3, size), ...layer, pool]));
      expect(folded.nodes.some(({ op, id }) => op === "maxPool" || id === "c")).toBe(false);
      const [node] = nodesOf(folded, "shiftConv");
      expect([node?.id, node?.attrs.stride]).toEqual(["y", [2, 2]]);
      expect(folded.outputs).toEqual([{ name: "y", id: "y" }]);
    }
  });

  it("multiplies strides, and samples what is added", () => {
    const added = conv("i", ["q"], { channels: 3, value: 1 }, { stride: [2, 1] });
    const strided = conv("c", ["q", "i"], { channels: 3, value: 5 }, { stride: [2, 1] });
    const folded = foldSample(graphOf([...levels(3), ...added, ...strided, pool]));
    const node = nodesOf(folded, "shiftConv").find(({ id }) => id === "y");
    expect(node?.attrs.stride).toEqual([4, 2]);
    const [sampled] = nodesOf(folded, "maxPool");
    expect([sampled?.inputs, node?.inputs[3]]).toEqual([["i"], sampled?.id]);
  });

  it("leaves a convolution that something else reads, and other poolings", () => {
    const read = graphOf([...levels(3), ...layer, pool], ["y", "c"]);
    expect(foldSample(read)).toBe(read);
    const largest: Node = { ...pool, attrs: { ...samplePool, kernel: [2, 2] } };
    const max = graphOf([...levels(3), ...layer, largest]);
    expect(foldSample(max)).toBe(max);
  });
});

describe("accumulatorNeeds", () => {
  it("bounds totals and partial sums by the real weights", () => {
    const [need] = accumulatorNeeds(
      graphOf([...levels(1), ...conv("y", ["q"], { channels: 1, value: 3 })]),
    );
    expect(need).toEqual({
      id: "y",
      total: { lo: -4, hi: 89 },
      partial: { lo: -4, hi: 93 },
      totalBits: 8,
      partialBits: 8,
    });
    expect(need && [mayOverflow(need, 8), mayOverflow(need, 7)]).toEqual([
      { total: false, partial: false },
      { total: true, partial: true },
    ]);
  });

  it("tracks ranges through layers and movers, and counts what is added", () => {
    const nodes = [
      ...levels(2),
      // At most (31 * 2 * 3 - 4) / 16 = 11.4, rounded.
      ...conv("a", ["q"], { channels: 2, value: 3 }),
      { op: "zeroInsert", id: "up", inputs: ["a"], attrs: { factor: [2, 2] } } as const,
      { op: "maxPool", id: "down", inputs: ["up"], attrs: samplePool } as const,
      ...conv("y", ["down", "a"], { channels: 1, value: -1 }, { identityShift: 4 }),
    ];
    const graph = graphOf(nodes);
    expect(integerRanges(graph).get("down")).toEqual({ lo: 0, hi: 11 });
    const need = accumulatorNeeds(graph).at(-1);
    expect([need?.total, need?.partial]).toEqual([
      { lo: -15, hi: -4 + 11 * 16 },
      { lo: -15, hi: 11 * 16 },
    ]);
  });

  it("says nothing of layers that read values of unknown range", () => {
    const [input] = levels(1);
    const layer = conv("y", ["x"], { channels: 1, value: 1 });
    expect(accumulatorNeeds(graphOf([...(input ? [input] : []), ...layer]))).toEqual([]);
  });
});
