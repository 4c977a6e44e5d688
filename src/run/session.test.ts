import { expect, it } from "vitest";
import type { Runtime } from "../engine/runtime.ts";
import type { Graph } from "../ir/graph.ts";
import { float32 } from "../tensor/tensor.ts";
import { openSession } from "./session.ts";

const graph: Graph = {
  name: "g",
  nodes: [
    { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape: [1, 4] } },
    { op: "input", id: "unread", inputs: [], attrs: { dtype: "float32", shape: [1, 4] } },
    { op: "relu", id: "early", inputs: ["x"], attrs: { slope: 0 } },
    {
      ...{ op: "const", id: "large", inputs: [] },
      attrs: { tensor: float32([1000, 4], new Float32Array(4000)) },
    },
    { op: "linear", id: "late", inputs: ["early", "large"], attrs: {} },
  ],
  outputs: [{ name: "late", id: "late" }],
  opsets: {},
};

/** A runtime that only tells how large the models are. */
function measuring(sizes: number[]): Runtime {
  return {
    options: { device: "cpu", threads: 1 },
    version: "none",
    load: async (model) => {
      sizes.push(model.length);
      return { inputs: [], outputs: [], run: async (feeds) => feeds, release: async () => {} };
    },
  };
}

it("loads what is asked for and nothing behind it; inputs stay", async () => {
  const sizes: number[] = [];
  const runtime = measuring(sizes);
  const early = { ...graph, outputs: [{ name: "early", id: "early" }] };
  const session = await openSession(early, runtime);
  await openSession(graph, runtime);
  await openSession(early, runtime, { taps: ["late"] });
  expect(session.inputs).toEqual(["x", "unread"]);
  expect(sizes[0]).toBeLessThan(1000);
  expect(sizes[1]).toBeGreaterThan(16_000);
  expect(sizes[2]).toBeGreaterThan(16_000);
});
