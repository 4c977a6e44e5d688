/**
 * The values that the range table lists: what a fused network computes.
 */
import { consumers, type Graph } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { Wanted } from "./observe.ts";

/** Every float value that a fused network keeps: what ends in a ReLU or Clip is seen behind it. */
export function allActivations(graph: Graph): ReadonlyMap<string, Wanted> {
  const types = inferTypes(graph);
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map(({ id }) => id));
  const isFused = ({ id }: Node): boolean => {
    const [reader, ...others] = readers.get(id) ?? [];
    const rectified = reader?.op === "relu" || reader?.op === "clip";
    return rectified && others.length === 0 && !outputs.has(id);
  };
  const values = graph.nodes.filter(
    (node) => node.op !== "const" && types.get(node.id)?.dtype === "float32" && !isFused(node),
  );
  return new Map(values.map((node) => [node.id, { range: true, mean: false }]));
}
