/**
 * Tensors of a graph apart from the bytes of the file that they were read from. A reader makes a view of what lies
 * aligned in the file, which is chance, and copies the rest: one small view keeps a large file in memory.
 */
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** The graph with copies in place of the file's views, unless these are more than half of the file. */
export function apartFrom(file: Uint8Array, graph: Graph): Graph {
  const views = new Set(
    graph.nodes.flatMap((node) =>
      node.op === "const" && node.attrs.tensor.data.buffer === file.buffer
        ? [node.attrs.tensor.data]
        : [],
    ),
  );
  const viewed = [...views].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (views.size === 0 || viewed > file.length / 2) return graph;
  const copies = new Map([...views].map((view) => [view, view.slice()]));
  const nodes = graph.nodes.map((node): Node => {
    const data = node.op === "const" ? copies.get(node.attrs.tensor.data) : undefined;
    if (node.op !== "const" || data === undefined) return node;
    return { ...node, attrs: { tensor: { ...node.attrs.tensor, data } as Tensor } };
  });
  return { ...graph, nodes };
}
