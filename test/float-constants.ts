/** A network with other numbers in its float constants. */
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { float32 } from "../src/tensor/tensor.ts";

/** `change` gets the constant's values and its id, and gives as many. */
export function withFloatConstants(
  graph: Graph,
  change: (values: Float32Array, id: string) => Float32Array,
): Graph {
  const nodes = graph.nodes.map((node): Node => {
    if (node.op !== "const" || node.attrs.tensor.dtype !== "float32") return node;
    const { shape, data } = node.attrs.tensor;
    return { ...node, attrs: { tensor: float32(shape, change(data, node.id)) } };
  });
  return { ...graph, nodes };
}
