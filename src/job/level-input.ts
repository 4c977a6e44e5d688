/**
 * Training networks of the vendor's kit reduce pictures to levels in their data layer (`quant_enable`). Deployed, the chip
 * does that, and a network that did it too would do it twice.
 */
import { type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { LayeredTarget } from "../target/layered-target.ts";

/** The graph whose input holds levels: without a reduction of the picture that is the chip's own. */
export function withoutReduction(graph: Graph, { inputBits }: LayeredTarget): Graph {
  const nodes = nodeMap(graph);
  const replaced = new Map<string, string>();
  for (const node of graph.nodes) {
    const [input = ""] = node.inputs;
    if (node.op !== "reduceBits" || nodes.get(input)?.op !== "input") continue;
    const { from, to } = node.attrs;
    if (from === inputBits.from && to === inputBits.to) replaced.set(node.id, input);
  }
  if (replaced.size === 0) return graph;
  const own = (id: string): string => replaced.get(id) ?? id;
  return {
    ...graph,
    nodes: graph.nodes.flatMap((node): readonly Node[] =>
      replaced.has(node.id) ? [] : [{ ...node, inputs: node.inputs.map(own) }],
    ),
    outputs: graph.outputs.map(({ name, id }) => ({ name, id: own(id) })),
  };
}
