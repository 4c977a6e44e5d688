import { describe, expect, it } from "vitest";
import type { Graph } from "../ir/graph.ts";
import type { Node, Ops } from "../ir/ops.ts";
import { verify } from "../ir/verify.ts";
import { float32 } from "../tensor/tensor.ts";
import { cutHost } from "./cut-host.ts";

const attrs: Ops["detectionOutput"] = {
  classes: 2,
  shareLocation: true,
  backgroundLabel: 0,
  nmsThreshold: 0.5,
  nmsTopK: 10,
  nmsEta: 1,
  keepTopK: 10,
  confidenceThreshold: 0.1,
  codeType: "corner",
  varianceEncodedInTarget: false,
};

const input = (id: string, length: number): Node => ({
  op: "input",
  id,
  inputs: [],
  attrs: { dtype: "float32", shape: [1, length] },
});

const nodes: readonly Node[] = [
  input("locations", 4),
  input("scores", 2),
  { op: "relu", id: "positive", inputs: ["scores"], attrs: { slope: 0 } },
  {
    op: "const",
    id: "boxes",
    inputs: [],
    attrs: { tensor: float32([1, 2, 4], [0, 0, 1, 1, 1, 1, 1, 1]) },
  },
  { op: "detectionOutput", id: "found", inputs: ["locations", "positive", "boxes"], attrs },
  { op: "abs", id: "behind", inputs: ["found"], attrs: {} },
];

function graphOf(...outputs: readonly string[]): Graph {
  return { name: "net", nodes, outputs: outputs.map((id) => ({ name: id, id })), opsets: {} };
}

describe("cutHost", () => {
  it("ends the network before the host operators, at what they read", () => {
    const cut = verify(cutHost(graphOf("behind", "positive")), "canonical");
    expect(cut.outputs.map(({ name }) => name)).toEqual(["positive", "locations", "boxes"]);
    expect(cut.nodes.map(({ id }) => id)).toEqual(["locations", "scores", "positive", "boxes"]);
    expect(cutHost(cut)).toBe(cut);
  });
});
