/**
 * In a network of the vendor's kit the layers say themselves where they run: QuantConvolution on the chip, Convolution
 * on the host, whatever the chip could take.
 */

import type { ChipMapping } from "../../chips/gti/map/mapping.ts";
import { inputError } from "../../error.ts";
import { consumers, describe, freshId, type Graph, nodeMap } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import type { OnWarning } from "../../notice.ts";
import { removeNoOps } from "../../passes/remove-no-ops.ts";

/**
 * The graph with an identity behind each plain convolution: so nothing takes it and its activation for a layer of the chip.
 * `withoutShields` takes them away again. An input error where no layer is the chip's.
 */
export function withShields(graph: Graph): Graph {
  const plain = graph.nodes.filter(({ op }) => op === "conv");
  if (!graph.nodes.some(({ op }) => op === "quantConv")) {
    throw inputError("the network has no layer for the chip", {
      node: plain[0] && describe(plain[0]),
      expected: "QuantConvolution, as the kit's training leaves it",
      hint: "Float networks are quantized: inlay quantize --target gti2803 (or gti2801, gti5801)",
    });
  }
  const readers = consumers(graph);
  const taken = new Set(nodeMap(graph).keys());
  const shields = new Map<string, string>();
  for (const { id } of plain) {
    if ((readers.get(id) ?? []).length === 0) continue;
    const shield = freshId(`${id}.host`, taken);
    taken.add(shield);
    shields.set(id, shield);
  }
  if (shields.size === 0) return graph;
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const moved = { ...node, inputs: node.inputs.map((id) => shields.get(id) ?? id) };
    const id = shields.get(node.id);
    return id === undefined
      ? [moved]
      : [moved, { op: "identity", id, inputs: [node.id], attrs: {} }];
  });
  return { ...graph, nodes };
}

/** The mapping without what `withShields` put in. */
export function withoutShields(mapping: ChipMapping): ChipMapping {
  const graph = removeNoOps(mapping.graph);
  const kept = nodeMap(graph);
  return { ...mapping, graph, host: mapping.host.filter(({ node }) => kept.has(node)) };
}

/** QuantConvolutions that the chip does not take run in float on the host. */
export function warnAboutHost({ graph, host }: ChipMapping, onWarning: OnWarning): void {
  const nodes = nodeMap(graph);
  for (const { node, why } of host) {
    if (nodes.get(node)?.op !== "quantConv") continue;
    onWarning({ id: "quant-on-host", message: `it runs on the host: ${why}`, where: `"${node}"` });
  }
}
