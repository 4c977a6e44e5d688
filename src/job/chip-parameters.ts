/**
 * Other constants in a network: tensors by the id of their node, or weights and biases by that of their convolution.
 */
import type { ConvParameters } from "../chips/gti/program/gain.ts";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

/** The graph with these tensors in place of those of the constants with their ids. */
export function withConstants(graph: Graph, constants: ReadonlyMap<string, Tensor>): Graph {
  const nodes = graph.nodes.map((node): Node => {
    const tensor = constants.get(node.id);
    return node.op === "const" && tensor !== undefined ? { ...node, attrs: { tensor } } : node;
  });
  return { ...graph, nodes };
}

/** The graph with the parameters in place of those of the convolutions with these ids. */
export function withParameters(
  graph: Graph,
  parameters: ReadonlyMap<string, ConvParameters>,
): Graph {
  const constants = new Map<string, Tensor>();
  for (const node of graph.nodes) {
    const own = parameters.get(node.id);
    if (own === undefined) continue;
    constants.set(node.inputs[1] ?? "", own.weight);
    constants.set(node.inputs[2] ?? "", float32([own.bias.length], own.bias));
  }
  return withConstants(graph, constants);
}
