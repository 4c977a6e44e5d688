import { describe, expect, it } from "vitest";
import { type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { float32, type Tensor, tensor } from "../tensor/tensor.ts";
import { toInteger } from "./to-integer.ts";

const constant = (id: string, value: Tensor): Node => ({
  op: "const",
  id,
  inputs: [],
  attrs: { tensor: value },
});

/** int8 steps of 1/4 around 0. */
const grid: readonly Node[] = [
  constant("scale", float32([], [0.25])),
  constant("zero", tensor("int8", [], Int8Array.of(0))),
];

function quantized(id: string, source: string): readonly Node[] {
  const read = { attrs: { axis: 1 }, inputs: [source, "scale", "zero"] };
  return [
    { ...read, op: "quantize", id: `${id}.q` },
    { ...read, op: "dequantize", id: `${id}.dq`, inputs: [`${id}.q`, "scale", "zero"] },
  ];
}

/** x, its clamps one behind the other, and the result again on the grid. */
function clamped(...clamps: readonly Node[]): Graph {
  const input: Node = {
    op: "input",
    id: "x",
    inputs: [],
    attrs: { dtype: "float32", shape: [1, 3] },
  };
  const last = clamps.at(-1)?.id ?? "";
  const nodes = [input, ...grid, ...quantized("x", "x"), ...clamps, ...quantized("y", last)];
  return { name: "net", nodes, outputs: [{ name: "y", id: "y.dq" }], opsets: {} };
}

const relu = (id: string, source: string): Node => ({
  op: "relu",
  id,
  inputs: [source],
  attrs: { slope: 0 },
});
const clip = (id: string, source: string, min: number, max: number): Node => ({
  op: "clip",
  id,
  inputs: [source],
  attrs: { min, max },
});

function rangeOf(graph: Graph): readonly number[] {
  const node = nodeMap(toInteger(graph)).get("y.q");
  if (node?.op !== "requantize") throw new Error("an integer clamp was expected");
  return [node.attrs.output.qMin, node.attrs.output.qMax];
}

describe("clamps joined to an integer layer", () => {
  it("intersect", () => {
    expect(rangeOf(clamped(clip("a", "x.dq", -1, 5), relu("b", "a")))).toEqual([0, 20]);
    expect(rangeOf(clamped(relu("a", "x.dq"), clip("b", "a", -1, 5)))).toEqual([0, 20]);
  });

  it("leave the last word to the last where they have nothing in common", () => {
    expect(rangeOf(clamped(clip("a", "x.dq", -2, -1), relu("b", "a")))).toEqual([0, 0]);
    expect(rangeOf(clamped(relu("a", "x.dq"), clip("b", "a", -2, -1)))).toEqual([-4, -4]);
  });

  it("keep the element type of the grid, though nothing negative is left", () => {
    const integer = toInteger(clamped(relu("a", "x.dq")));
    expect(inferTypes(integer).get("y.q")?.dtype).toBe("int8");
  });
});
