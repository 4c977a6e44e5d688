import { expect, test } from "vitest";
import type { Graph } from "../ir/graph.ts";
import { float32 } from "../tensor/tensor.ts";
import { withTeacher } from "./teacher.ts";
import { trainable } from "./trainable.ts";

/** A linear classifier of three classes under this name. */
function classifier(name: string, inputs: number, softmax: boolean): Graph {
  const tensor = float32([3, inputs], new Float32Array(3 * inputs).fill(0.5));
  return {
    name,
    nodes: [
      { op: "input", id: name, inputs: [], attrs: { dtype: "float32", shape: [2, inputs] } },
      { op: "const", id: "w", inputs: [], attrs: { tensor } },
      { op: "linear", id: "scores", inputs: [name, "w"], attrs: {} },
      { op: "softmax", id: "prob", inputs: ["scores"], attrs: { axis: 1 } },
    ],
    outputs: [{ name: "out", id: softmax ? "prob" : "scores" }],
    opsets: {},
  };
}

const network = trainable(classifier("x", 4, true), { statisticsFraction: 0.9 });

test("the teacher reads the network's input, under ids of its own, and learns nothing", () => {
  const taught = withTeacher(network, {
    graph: classifier("y", 4, true),
    ...{ share: 0.25, temperature: 3 },
  });
  expect(taught.graph.nodes.find(({ id }) => id === "teacher:scores")?.inputs).toEqual([
    ...["x", "teacher:w"],
  ]);
  expect(taught.graph.nodes.some(({ id }) => id === "y" || id === "teacher:prob")).toBe(false);
  expect(taught.parameters).toEqual(network.parameters);
  expect(taught.losses.map(({ kind, weight }) => [kind, weight])).toEqual([
    ["softmax", 0.75],
    ["distillation", 0.25],
  ]);
  expect(taught.losses[1]).toMatchObject({
    ...{ scores: "scores", teacher: "teacher:scores", temperature: 3 },
  });
});

test("a teacher of other pictures is refused", () => {
  const graph = classifier("y", 5, false);
  expect(() => withTeacher(network, { graph, share: 0.5, temperature: 1 })).toThrow(/pictures/);
});
