/**
 * Types of all values of a graph, and the same graph for another input size.
 */
import type { TensorType } from "../tensor/tensor.ts";
import type { Graph } from "./graph.ts";
import { apply, type Node } from "./ops.ts";
import { shapeRules } from "./shape-rules.ts";

/** Type by value id; no entry where it cannot be known before the graph runs. */
export type Types = ReadonlyMap<string, TensorType>;

/** Applies the shape rule of every node, in order. Throws the first contradiction. */
export function inferTypes(graph: Graph): Types {
  const types = new Map<string, TensorType>();
  const opaque = new Map<string, readonly (TensorType | undefined)[]>();
  for (const node of graph.nodes) {
    const type = typeOf(node, types, opaque);
    if (type !== undefined) types.set(node.id, { dtype: type.dtype, shape: type.shape });
  }
  return types;
}

function typeOf(
  node: Node,
  types: Types,
  opaque: Map<string, readonly (TensorType | undefined)[]>,
): TensorType | undefined {
  if (node.op === "opaque") {
    opaque.set(node.id, node.attrs.outputs);
    return undefined;
  }
  if (node.op === "result") return opaque.get(node.inputs[0] ?? "")?.[node.attrs.index];
  return apply(
    shapeRules,
    node,
    node.inputs.map((id) => types.get(id)),
  );
}

/** The graph with batch size `n` in every input. Shapes behind a fixed reshape may then not infer. */
export function withBatch(graph: Graph, n: number): Graph {
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "input") return node;
    return { ...node, attrs: { ...node.attrs, shape: node.attrs.shape.with(0, n) } };
  });
  return { ...graph, nodes };
}
