/**
 * Finds batch norms by the batch's statistics that are followed by a scale, and perhaps an activation, with no other reader
 * in between: rules/normalized-chain.ts trains such a chain as one operator, in half the passes over memory.
 */
import { consumers, type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { BatchStatistics } from "../ir/training.ts";
import { normalizeAxis } from "../tensor/shape.ts";
import { toNumbers } from "../tensor/tensor.ts";
import type { Tape } from "./tape.ts";

/** `activation(norm(x) * gamma + beta)`. */
export type NormalizedChain = {
  readonly norm: Node<"batchNorm">;
  readonly statistics: BatchStatistics;
  readonly scale: Node<"scale">;
  readonly activation: Node<"relu"> | Node<"quantRelu"> | undefined;
};

/** Chains by the id of each of their nodes. `kept` are values that somebody else reads: nothing reads past them. */
export function findChains(
  graph: Graph,
  tape: Pick<Tape, "statisticsOf" | "shapeOf">,
  kept: ReadonlySet<string>,
): ReadonlyMap<string, NormalizedChain> {
  const readers = consumers(graph);
  const nodes = nodeMap(graph);
  const chains = new Map<string, NormalizedChain>();
  const next = ({ id }: Node): Node | undefined => {
    const [reader, ...others] = readers.get(id) ?? [];
    const only = others.length === 0 && reader?.inputs.filter((input) => input === id).length === 1;
    return only && reader.inputs[0] === id && !kept.has(id) ? reader : undefined;
  };
  for (const norm of graph.nodes) {
    if (norm.op !== "batchNorm" || norm.inputs.length > 3) continue;
    const statistics = tape.statisticsOf(norm.id);
    const scale = next(norm);
    if (statistics === undefined || scale?.op !== "scale" || !isByChannel(scale, tape)) continue;
    const follower = next(scale);
    const activation = isCut(follower, nodes) ? follower : undefined;
    const chain = { norm, statistics, scale, activation };
    for (const node of [norm, scale, activation])
      if (node !== undefined) chains.set(node.id, chain);
  }
  return chains;
}

/** True where factor and offset are [c] along axis 1. */
function isByChannel(
  { id, inputs, attrs }: Node<"scale">,
  { shapeOf }: Pick<Tape, "shapeOf">,
): boolean {
  const shape = shapeOf(id);
  const isChannel = (operand: string): boolean => {
    const { length, 0: channels } = shapeOf(operand);
    return length === 1 && channels === shape[1];
  };
  return normalizeAxis(attrs.axis, shape.length) === 1 && inputs.slice(1).every(isChannel);
}

/** A ReLU without a slope, or one on a grid of levels. Constant caps that are not positive are refused by its own rule. */
function isCut(
  node: Node | undefined,
  nodes: ReadonlyMap<string, Node>,
): node is Node<"relu"> | Node<"quantRelu"> {
  if (node?.op === "relu") return node.attrs.slope === 0;
  if (node?.op !== "quantRelu" || !node.attrs.quantized) return false;
  const cap = nodes.get(node.inputs[1] ?? "");
  return cap?.op !== "const" || toNumbers(cap.attrs.tensor).every((value) => value > 0);
}

/** The chain as one node: its last one, with everything that the chain reads. */
export function asOneNode({ norm, scale, activation }: NormalizedChain): Node {
  const [, ...factors] = scale.inputs;
  const [, ...caps] = activation?.inputs ?? [];
  const inputs = [norm.inputs[0] ?? "", ...factors, ...caps];
  return { ...(activation ?? scale), inputs };
}
