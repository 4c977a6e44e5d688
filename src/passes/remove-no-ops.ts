/**
 * Drops the operators that give back what they are given: dropout and identity always, others where
 * their attributes or the shapes say so.
 */
import type { Graph } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { rewrite } from "../ir/rewrite.ts";
import { sameShape } from "../tensor/shape.ts";

/** The graph without operators that change nothing; their readers read their first input. */
export function removeNoOps(graph: Graph): Graph {
  const types = inferTypes(graph);
  return rewrite(graph, [(node) => (isNoOp(node, types) ? node.inputs[0] : undefined)]);
}

function isNoOp(node: Node, types: Types): boolean {
  switch (node.op) {
    case "dropout":
    case "identity":
      return true;
    case "clip":
      return node.attrs.min === -Infinity && node.attrs.max === Infinity;
    case "relu":
      return node.attrs.slope === 1;
    case "power":
      return node.attrs.power === 1 && node.attrs.scale === 1 && node.attrs.shift === 0;
    case "pad":
      return node.attrs.pads.every((pixels) => pixels === 0);
    case "transpose":
      return node.attrs.perm.every((axis, at) => axis === at);
    case "concat":
      return node.inputs.length === 1;
    case "reshape":
    case "flatten":
    case "slice":
    case "resize":
      return keepsShape(node, types);
    default:
      return false;
  }
}

/** For operators that keep every value in its place when the shape stays. */
function keepsShape(node: Node, types: Types): boolean {
  const [before, after] = [types.get(node.inputs[0] ?? ""), types.get(node.id)];
  return before !== undefined && after !== undefined && sameShape(before.shape, after.shape);
}
