import { describe, expect, it } from "vitest";
import { constantOf, type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { priorBox } from "../ir/prior-box.ts";
import { foldPriorBox } from "./fold-prior-box.ts";
import { canonicalize } from "./pipeline.ts";

const attrs = {
  minSizes: [8],
  maxSizes: [16],
  aspectRatios: [2],
  flip: true,
  clip: false,
  variances: [0.1, 0.1, 0.2, 0.2],
  offset: 0.5,
};

const input = (id: string, h: number, w: number): Node => ({
  op: "input",
  id,
  inputs: [],
  attrs: { dtype: "float32", shape: [1, 3, h, w] },
});

function graphOf(nodes: readonly Node[], output: string): Graph {
  return { name: "net", nodes, outputs: [{ name: output, id: output }], opsets: {} };
}

const boxes: Node = { op: "priorBox", id: "boxes", inputs: ["feature", "image"], attrs };

describe("foldPriorBox", () => {
  it("makes the boxes of known shapes a constant of the same id", () => {
    const graph = graphOf([input("image", 32, 48), input("feature", 2, 3), boxes], "boxes");
    const folded = foldPriorBox(graph);
    expect(constantOf(nodeMap(folded).get("boxes"))).toEqual(
      priorBox(attrs, [1, 3, 2, 3], [1, 3, 32, 48]),
    );
    expect(foldPriorBox(folded)).toBe(folded);
  });

  it("keeps boxes of a shape that only shows when the network runs", () => {
    const unknown: readonly Node[] = [
      input("image", 32, 48),
      {
        op: "opaque",
        id: "odd",
        inputs: ["image"],
        attrs: { domain: "", opType: "Odd", attributes: [], outputs: [undefined] },
      },
      { op: "result", id: "feature", inputs: ["odd"], attrs: { index: 0 } },
      boxes,
    ];
    const graph = graphOf(unknown, "boxes");
    expect(foldPriorBox(graph)).toBe(graph);
  });

  it("lets boxes of several layers join into one constant", () => {
    const nodes: readonly Node[] = [
      input("image", 32, 48),
      input("feature", 2, 3),
      boxes,
      { ...boxes, id: "more" },
      { op: "concat", id: "all", inputs: ["boxes", "more"], attrs: { axis: 2 } },
    ];
    const tensor = constantOf(nodeMap(canonicalize(graphOf(nodes, "all"))).get("all"));
    expect(tensor?.shape).toEqual([1, 2, 2 * 6 * 4 * 4]);
  });
});
