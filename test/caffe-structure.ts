/**
 * A graph as text without the names of its inner nodes, for tests that compare graphs: what computes
 * each output, and the inputs by name.
 */
import { createHash } from "node:crypto";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";

/** Equal for graphs that compute the same by the same operators. */
export function structureOf(graph: Graph): readonly string[] {
  const digests = new Map<string, string>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((id) => digests.get(id));
    digests.set(node.id, digest([node.op, JSON.stringify(attrsOf(node)), ...inputs].join("|")));
  }
  const inputs = graph.nodes.filter((node) => node.op === "input").map(({ id }) => id);
  const outputs = graph.outputs.map(({ name, id }) => `${name} = ${digests.get(id)}`);
  const operators = graph.nodes.map(({ op }) => op).filter((op) => op !== "const");
  return [`inputs ${inputs.join(", ")}`, ...outputs.toSorted(), operators.toSorted().join(" ")];
}

function attrsOf(node: Node): unknown {
  if (node.op === "input") return [node.id, node.attrs];
  if (node.op !== "const")
    return Object.entries(node.attrs).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const { dtype, shape, data } = node.attrs.tensor;
  return [dtype, shape, digest(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))];
}

function digest(content: string | Uint8Array): string {
  return createHash("sha1").update(content).digest("hex");
}
