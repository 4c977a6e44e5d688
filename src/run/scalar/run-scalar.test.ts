import { describe, expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import { InlayError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import { float32, tensor, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";

const chain: Graph = {
  name: "chain",
  nodes: [
    { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape: [1, 2] } },
    { op: "const", id: "two", inputs: [], attrs: { tensor: float32([], [2]) } },
    { op: "mul", id: "double", inputs: ["x", "two"], attrs: {} },
    { op: "add", id: "sum", inputs: ["double", "x"], attrs: {} },
  ],
  outputs: [
    { name: "result", id: "sum" },
    { name: "input", id: "x" },
  ],
  opsets: {},
};
const x = float32([1, 2], [1, 2]);

describe("runScalar", () => {
  it("gives outputs by id, an input that is an output included", () => {
    const results = runScalar(chain, new Map([["x", x]]));
    expect([...results.keys()]).toEqual(["sum", "x"]);
    expect(toNumbers(results.get("sum")!)).toEqual([3, 6]);
  });

  it("shows every value in node order", () => {
    const seen: string[] = [];
    runScalar(chain, new Map([["x", x]]), { onValue: ({ id }) => seen.push(id) });
    expect(seen).toEqual(["x", "two", "double", "sum"]);
  });

  it("takes another batch", () => {
    const results = runScalar(chain, new Map([["x", float32([2, 2], [1, 2, 3, 4])]]));
    expect(results.get("sum")?.shape).toEqual([2, 2]);
  });

  it("keeps doubles throughout on request", () => {
    const results = runScalar(
      chain,
      new Map([["x", tensor("float64", [1, 2], Float64Array.of(0.1, 1 / 3))]]),
      {
        precision: "float64",
      },
    );
    expect(toNumbers(results.get("sum")!)).toEqual([0.1 * 2 + 0.1, (1 / 3) * 2 + 1 / 3]);
  });

  it("refuses missing and wrong feeds", () => {
    const bytes = tensor("uint8", [1, 2], Uint8Array.of(1, 2));
    expect(() => runScalar(chain, new Map())).toThrow(/input "x"/);
    expect(() => runScalar(chain, new Map([["x", float32([1, 3], [1, 2, 3])]]))).toThrow(/1x2/);
    expect(() => runScalar(chain, new Map([["x", bytes]]))).toThrow(/uint8/);
    const doubles = tensor("float64", [1, 2], Float64Array.of(1, 2));
    expect(() => runScalar(chain, new Map([["x", doubles]]))).toThrow(InlayError);
  });

  it("names operators that others run", () => {
    const opaque = { domain: "", opType: "Gelu", attributes: [], outputs: [] };
    const unknown = smallGraph("opaque", opaque, [x]);
    expect(() => runScalar(unknown.graph, unknown.feeds)).toThrow(/Gelu "y"/);
  });
});
