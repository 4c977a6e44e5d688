/**
 * Which layer a value belongs to, as users count layers: a ReLU or Clip belongs to what it follows.
 */
import type { Node, Op } from "./ops.ts";

const takesActivation: ReadonlySet<Op> = new Set<Op>([
  "conv",
  "linear",
  "add",
  "avgPool",
  "globalAvgPool",
  "relu",
  "clip",
]);

/** The layer that gives the value `id`: the node itself, or the one before its activation. */
export function fusedLayer(nodes: ReadonlyMap<string, Node>, id: string): Node | undefined {
  let node = nodes.get(id);
  while (node?.op === "relu" || node?.op === "clip") {
    const before = nodes.get(node.inputs[0] ?? "");
    if (before === undefined || !takesActivation.has(before.op)) break;
    node = before;
  }
  return node;
}
