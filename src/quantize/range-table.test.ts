import { describe, expect, it } from "vitest";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { float32 } from "../tensor/tensor.ts";
import { rangeTable, rangeTableCsv } from "./range-table.ts";

const constant = (id: string, values: readonly number[], shape: readonly number[]): Node => ({
  op: "const",
  id,
  inputs: [],
  attrs: { tensor: float32(shape, values) },
});
const unitConv = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 } as const;
const graph: Graph = {
  name: "net",
  nodes: [
    { op: "input", id: "data", inputs: [], attrs: { dtype: "float32", shape: [1, 1, 2, 2] } },
    constant("w1", [0.1, -0.5], [2, 1, 1, 1]),
    constant("b1", [1, 2], [2]),
    { op: "conv", id: "conv1", inputs: ["data", "w1", "b1"], attrs: unitConv },
    { op: "relu", id: "relu_conv1", inputs: ["conv1"], attrs: { slope: 0 } },
    constant("w2", [Number.NaN, 3, 4, 5], [2, 2, 1, 1]),
    { op: "conv", id: 'conv"2,', inputs: ["relu_conv1", "w2"], attrs: unitConv },
    { op: "add", id: "sum", inputs: ['conv"2,', "relu_conv1"], attrs: {} },
  ],
  outputs: [{ name: "sum", id: "sum" }],
  opsets: {},
};

describe("rangeTable", () => {
  it("has a row per learnable and activation of the fused network", () => {
    const rows = rangeTable(
      graph,
      new Map([
        ["data", { min: 0, max: 255 }],
        ["relu_conv1", { min: 0, max: 7.5 }],
        ["sum", { min: -1, max: 9 }],
      ]),
    );
    expect(rangeTableCsv(rows)).toMatchInlineSnapshot(`
      "Optimized Layer Name,Network Layer Name,Learnables / Activations,MinValue,MaxValue
      conv1_relu_conv1_Weights,relu_conv1,Weights,-0.5,0.100000001
      conv1_relu_conv1_Bias,relu_conv1,Bias,1,2
      "conv""2,_Weights","conv""2,",Weights,3,5
      data,data,Activations,0,255
      conv1_relu_conv1,relu_conv1,Activations,0,7.5
      sum,sum,Activations,-1,9
      "
    `);
  });

  it("names a layer by itself where its own value was observed", () => {
    const rows = rangeTable(graph, new Map([["conv1", { min: -1, max: 1 }]]));
    expect(rows.at(-1)).toEqual({
      optimizedLayer: "conv1",
      networkLayer: "conv1",
      kind: "Activations",
      min: -1,
      max: 1,
    });
  });
});
