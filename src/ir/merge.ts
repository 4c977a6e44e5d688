/**
 * Two networks over the same input as one graph, so that one session runs both.
 */
import { inputError } from "../error.ts";
import type { Graph } from "./graph.ts";
import type { Node } from "./ops.ts";

/** The ids of the second graph's nodes are prefixed; its input is the first graph's. */
export function mergeGraphs(first: Graph, second: Graph, prefix: string): Graph {
  const shared = first.nodes.filter((node) => node.op === "input");
  const [input] = shared;
  const others = second.nodes.filter((node) => node.op === "input");
  const [other] = others;
  if (input === undefined || other === undefined || shared.length > 1 || others.length > 1) {
    throw inputError("only networks with one input can be compared", {
      got: `${shared.length} and ${others.length} inputs`,
    });
  }
  const rename = (id: string): string => {
    if (id === "") return id;
    return id === other.id ? input.id : `${prefix}${id}`;
  };
  const renamed = second.nodes
    .filter((node) => node !== other)
    .map((node): Node => ({ ...node, id: rename(node.id), inputs: node.inputs.map(rename) }));
  const outputs = second.outputs.map(({ name, id }) => ({
    name: `${prefix}${name}`,
    id: rename(id),
  }));
  return {
    name: first.name,
    nodes: [...first.nodes, ...renamed],
    outputs: [...first.outputs, ...outputs],
    opsets: { ...second.opsets, ...first.opsets },
  };
}
