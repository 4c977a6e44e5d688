/**
 * A network that ends before its host operators, for files that other runtimes and chips read. Not
 * a canonical pass: what the host computes is left out.
 */
import { type Graph, sweep } from "../ir/graph.ts";
import { hostIds, readByHost } from "../ir/host.ts";

/**
 * The graph whose outputs are what the host operators read (constants too, SSD's default boxes say),
 * in place of what they give. The same graph where there is none.
 */
export function cutHost(graph: Graph): Graph {
  const host = hostIds(graph);
  if (host.size === 0) return graph;
  const kept = graph.outputs.filter(({ id }) => !host.has(id));
  const read = readByHost(graph, host).map((id) => ({ name: id, id }));
  const fresh = read.filter(({ id }) => !kept.some((output) => output.id === id));
  const nodes = graph.nodes.filter(({ id }) => !host.has(id));
  return sweep({ ...graph, nodes, outputs: [...kept, ...fresh] });
}
