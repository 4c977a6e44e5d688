/**
 * Host operators: what no ONNX runtime computes and Inlay runs itself (SSD's DetectionOutput), and
 * all that depends on them.
 */
import type { Graph } from "./graph.ts";

/** Ids of the host operators and of every node behind one. */
export function hostIds(graph: Graph): ReadonlySet<string> {
  const host = new Set<string>();
  for (const node of graph.nodes) {
    if (node.op === "detectionOutput" || node.inputs.some((id) => host.has(id))) host.add(node.id);
  }
  return host;
}

/** Ids that host nodes read and that are not theirs, each once, in order. */
export function readByHost(graph: Graph, host: ReadonlySet<string>): readonly string[] {
  const read = graph.nodes.filter(({ id }) => host.has(id)).flatMap(({ inputs }) => inputs);
  return [...new Set(read)].filter((id) => !host.has(id));
}
