import { describe, expect, it } from "vitest";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { constantOf, nodeMap } from "./graph.ts";
import type { Node } from "./ops.ts";
import type { BatchStatistics, TrainingNetwork } from "./training.ts";
import { initialState, storedStatistic, withState } from "./training-state.ts";

const constant = (id: string, tensor: Tensor): Node => ({
  ...{ op: "const", id, inputs: [], attrs: { tensor } },
});

const ones = float32([2], [1, 1]);
const sums: BatchStatistics["sums"] = [float32([2], [2, 4]), ones, float32([1], [2])];

/** A batch norm between two layers that share their scale. */
const network: TrainingNetwork = {
  graph: {
    name: "net",
    nodes: [
      { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape: [1, 2] } },
      constant("a.weight", ones),
      { op: "scale", id: "a", inputs: ["x", "a.weight"], attrs: { axis: 1 } },
      constant("bn.mean", float32([2], [1, 2])),
      constant("bn.variance", float32([2], [0.5, 0.5])),
      { op: "batchNorm", id: "bn", inputs: ["a", "bn.mean", "bn.variance"], attrs: { epsilon: 1 } },
      constant("b.weight", ones),
      constant("b.bias", float32([2], [7, 8])),
      { op: "scale", id: "b", inputs: ["bn", "b.weight", "b.bias"], attrs: { axis: 1 } },
    ],
    outputs: [{ name: "b", id: "b" }],
    opsets: {},
  },
  parameters: [
    { key: "a/0", ids: ["a.weight", "b.weight"], lrMult: 1, decayMult: 1 },
    { key: "b/1", ids: ["b.bias"], lrMult: 0, decayMult: 1 },
  ],
  statistics: [],
  storedStatistics: [{ id: "bn", layer: "bn", fraction: 0.9, sums }],
  losses: [],
  accuracies: [],
};

const valuesIn = (graph: TrainingNetwork["graph"], id: string): unknown =>
  constantOf(nodeMap(graph).get(id))?.data;

describe("initialState", () => {
  it("has every blob once, in the order of the layers", () => {
    expect([...initialState(network)]).toEqual([
      ["a/0", ones],
      ["bn/0", sums[0]],
      ["bn/1", sums[1]],
      ["bn/2", sums[2]],
      ["b/1", float32([2], [7, 8])],
    ]);
  });
});

describe("withState", () => {
  it("gives the network's own graph for its initial state", () => {
    expect(withState(network, initialState(network))).toEqual(network.graph);
  });

  it("fills all constants of a parameter, and what batch norms store", () => {
    const state = new Map([
      ...initialState(network),
      ["a/0", float32([2], [3, 4])] as const,
      ["bn/2", float32([1], [4])] as const,
    ]);
    const graph = withState(network, state);
    expect(valuesIn(graph, "a.weight")).toEqual(Float32Array.of(3, 4));
    expect(valuesIn(graph, "b.weight")).toEqual(Float32Array.of(3, 4));
    expect(valuesIn(graph, "bn.mean")).toEqual(Float32Array.of(0.5, 1));
    expect(valuesIn(graph, "bn.variance")).toEqual(Float32Array.of(0.25, 0.25));
    expect(valuesIn(network.graph, "a.weight")).toEqual(Float32Array.of(1, 1));
  });

  it("refuses a value of another size", () => {
    const state = new Map([["b/1", float32([3], [1, 2, 3])]]);
    expect(() => withState(network, state)).toThrow('const "b.bias"');
  });
});

describe("storedStatistic", () => {
  it("is the sum by the count, and 0 where nothing was counted", () => {
    expect(storedStatistic(float32([2], [2, 4]), float32([1], [4]))).toEqual(
      float32([2], [0.5, 1]),
    );
    expect(storedStatistic(float32([2], [2, 4]), float32([1], [0])).data).toEqual(
      Float32Array.of(0, 0),
    );
  });
});
