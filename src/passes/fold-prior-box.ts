/**
 * SSD's default boxes become constants: they depend on shapes only, whatever the picture shows.
 */
import type { Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import { priorBox } from "../ir/prior-box.ts";
import { rewrite } from "../ir/rewrite.ts";

/** The graph with a constant [1, 2, boxes * 4] for every `priorBox` whose input shapes are known. */
export function foldPriorBox(graph: Graph): Graph {
  if (!graph.nodes.some((node) => node.op === "priorBox")) return graph;
  const types = inferTypes(graph);
  return rewrite(graph, [
    (node) => {
      if (node.op !== "priorBox") return undefined;
      const [feature, image] = node.inputs.map((id) => types.get(id)?.shape);
      if (feature === undefined || image === undefined) return undefined;
      const tensor = priorBox(node.attrs, feature, image);
      return [{ op: "const", id: node.id, inputs: [], attrs: { tensor } }];
    },
  ]);
}
