import { describe, expect, it } from "vitest";
import { gti2803 } from "../chips/gti/targets.ts";
import type { Graph } from "../ir/graph.ts";
import { withoutReduction } from "./level-input.ts";

/** A picture, reduced to so many bits, behind another value or not. */
function reduced(to: number, behind: "data" | "early"): Graph {
  return {
    name: "net",
    nodes: [
      { op: "input", id: "data", inputs: [], attrs: { dtype: "float32", shape: [1, 3, 4, 4] } },
      { op: "relu", id: "early", inputs: ["data"], attrs: { slope: 0 } },
      { op: "reduceBits", id: "levels", inputs: [behind], attrs: { from: 8, to } },
      { op: "relu", id: "late", inputs: ["levels"], attrs: { slope: 0 } },
    ],
    outputs: [
      { name: "levels", id: "levels" },
      { name: "late", id: "late" },
    ],
    opsets: {},
  };
}

describe("withoutReduction", () => {
  it("takes away what the chip does itself", () => {
    const { nodes, outputs } = withoutReduction(reduced(5, "data"), gti2803);
    expect(nodes.map(({ id, inputs }) => [id, ...inputs])).toEqual([
      ["data"],
      ["early", "data"],
      ["late", "data"],
    ]);
    expect(outputs.map(({ id }) => id)).toEqual(["data", "late"]);
  });

  it("leaves other widths, and what is not the picture's", () => {
    for (const graph of [reduced(6, "data"), reduced(5, "early")]) {
      expect(withoutReduction(graph, gti2803)).toBe(graph);
    }
  });
});
