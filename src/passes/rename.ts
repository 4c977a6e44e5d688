/**
 * Gives nodes other ids, so that a fused node can carry the name of the layer that users know.
 */
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";

/** Old id -> wanted id. A wish that meets a taken id is dropped. The same graph if none is left. */
export function renameNodes(graph: Graph, wishes: ReadonlyMap<string, string>): Graph {
  const taken = new Set(graph.nodes.map((node) => node.id));
  const names = new Map<string, string>();
  for (const { id } of graph.nodes) {
    const wish = wishes.get(id);
    if (wish === undefined || taken.has(wish)) continue;
    taken.add(wish);
    names.set(id, wish);
  }
  if (names.size === 0) return graph;
  const rename = (id: string): string => names.get(id) ?? id;
  const nodes = graph.nodes.map(
    (node): Node => ({ ...node, id: rename(node.id), inputs: node.inputs.map(rename) }),
  );
  const outputs = graph.outputs.map((output) => ({ ...output, id: rename(output.id) }));
  return { ...graph, nodes, outputs };
}
