/** Where an operator without a rule may stand in a network that is trained. */
import { describe, expect, it } from "vitest";
import { runModel } from "../../../test/gradient-check.ts";
import { expectClose } from "../../../test/within.ts";
import type { Graph } from "../../ir/graph.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { gradientModel, gradientName } from "../gradient-model.ts";

const type = { dtype: "float32", shape: [2] } as const;

/** `k * softsign(x)`: softsign is an operator that the table does not have. */
const graph: Graph = {
  name: "unknown",
  nodes: [
    { op: "input", id: "x", inputs: [], attrs: type },
    { op: "const", id: "k", inputs: [], attrs: { tensor: float32([2], [3, 4]) } },
    {
      op: "opaque",
      id: "soft",
      inputs: ["x"],
      attrs: { domain: "", opType: "Softsign", attributes: [], outputs: [type] },
    },
    { op: "result", id: "s", inputs: ["soft"], attrs: { index: 0 } },
    { op: "mul", id: "y", inputs: ["s", "k"], attrs: {} },
  ],
  outputs: [{ name: "y", id: "y" }],
  opsets: { "": 17 },
};

describe("an operator without a rule", () => {
  it("may stand before all that is learned", async () => {
    const feeds = new Map<string, Tensor>([
      ["x", float32([2], [1, -3])],
      ["k", float32([2], [3, 4])],
      [gradientName("y"), float32([2], [1, 10])],
    ]);
    const got = await runModel(gradientModel(graph, ["k"]), feeds);
    expectClose(got.get(gradientName("k")), float32([2], [0.5, -7.5]), 1e-6);
  });

  it("is named where something before it is learned", () => {
    expect(() => gradientModel(graph, ["x"])).toThrow(/Softsign "soft".*has no gradient/);
  });
});
