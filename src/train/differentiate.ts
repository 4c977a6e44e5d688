/**
 * Reverse-mode differentiation of a graph: the forward nodes of every operator in order, then the gradients of chosen
 * values in reverse. A value that several nodes read gets the sum of what comes back from them.
 */
import type { Graph } from "../ir/graph.ts";
import { apply, type Node } from "../ir/ops.ts";
import { asOneNode, findChains, type NormalizedChain } from "./chains.ts";
import { normalizedChain } from "./rules/normalized-chain.ts";
import { trainRules } from "./rules.ts";
import type { Backward, InputGradients, Tape } from "./tape.ts";

/** A node whose forward part is written, and its way back. */
export type Written = { readonly node: Node; readonly backward: Backward | undefined };

/** Names of gradients by the id of the value that they belong to. */
export type GradientNames = ReadonlyMap<string, string>;

/**
 * Writes the forward nodes of the whole graph. Where `kept` names all values that are read besides the graph's own nodes,
 * chains of nodes are written as one: what is inside them has no value and no gradient.
 */
export function writeForward(
  graph: Graph,
  tape: Tape,
  kept?: ReadonlySet<string>,
): readonly Written[] {
  const chains =
    kept === undefined ? new Map<string, NormalizedChain>() : findChains(graph, tape, kept);
  return graph.nodes.flatMap((node): readonly Written[] => {
    tape.at(node.id);
    const chain = chains.get(node.id);
    if (chain === undefined) return [{ node, backward: apply(trainRules, node, tape) }];
    const one = asOneNode(chain);
    return one.id === node.id ? [{ node: one, backward: normalizedChain(chain, tape) }] : [];
  });
}

/**
 * Writes the way back from `seeds` (gradients of values, each of the value's shape) to the `wanted` ids. A wanted value
 * that no gradient reaches is left out of the answer.
 */
export function writeBackward(
  written: readonly Written[],
  seeds: ReadonlyMap<string, readonly string[]>,
  wanted: ReadonlySet<string>,
  tape: Tape,
): GradientNames {
  const needed = dependents(written, wanted);
  const parts = new Map([...seeds].map(([id, names]) => [id, [...names]]));
  const gradients = new Map<string, string>();
  for (const { node, backward } of written.toReversed()) {
    const found = parts.get(node.id);
    if (found === undefined || !needed.has(node.id)) continue;
    tape.at(node.id);
    const dy = total(found, tape);
    if (wanted.has(node.id)) gradients.set(node.id, dy);
    const wants = node.inputs.map((id) => needed.has(id));
    if (backward !== undefined && wants.includes(true)) {
      addParts(parts, node, wants, backward(dy, wants));
    }
  }
  return gradients;
}

/** Notes what comes back to each input that wants it. */
function addParts(
  parts: Map<string, string[]>,
  { inputs }: Node,
  wants: readonly boolean[],
  names: InputGradients,
): void {
  for (const [index, name] of names.entries()) {
    const id = inputs[index];
    if (name === undefined || id === undefined || wants[index] !== true) continue;
    const list = parts.get(id);
    if (list === undefined) parts.set(id, [name]);
    else list.push(name);
  }
}

/** The wanted values and all that is computed from them. */
function dependents(written: readonly Written[], wanted: ReadonlySet<string>): ReadonlySet<string> {
  const found = new Set(wanted);
  for (const { node } of written) {
    if (node.inputs.some((id) => found.has(id))) found.add(node.id);
  }
  return found;
}

function total(names: readonly string[], tape: Tape): string {
  const [first = "", second, ...rest] = names;
  if (second === undefined) return first;
  return rest.length === 0 ? tape.add(first, second) : tape.emit("Sum", names);
}
