/**
 * Values that leave the chip from its middle: the chip gives them before pooling, so the host does the pooling
 * of its own copy.
 */
import { freshId, type Graph } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import type { Unit } from "./units.ts";
import { type View, viewOf } from "./view.ts";

/** Ids of the chain's nodes. */
export function nodeIds(chain: readonly Unit[]): ReadonlySet<string> {
  return new Set(chain.flatMap(({ nodes }) => nodes.map(({ id }) => id)));
}

/** True where the value is a graph output or something besides the chain reads it. */
export function isTapped(id: string, chip: ReadonlySet<string>, view: View): boolean {
  return view.outputs.has(id) || (view.readers.get(id) ?? []).some((node) => !chip.has(node.id));
}

/**
 * The chain without a last pooling whose input the host reads too: a major layer gives one output. The host
 * pools then.
 */
export function withoutTappedPool(chain: readonly Unit[], view: View): readonly Unit[] {
  const last = chain.at(-1);
  const isBoth = last?.form === "pool" && isTapped(last.input, nodeIds(chain), view);
  return isBoth ? chain.slice(0, -1) : chain;
}

/**
 * The graph where the host reads no pooled or upsampled value from the middle of the chain: it has its own
 * copies `<id>.host`, behind the convolution's output. The same graph where there is none.
 */
export function copyTappedPools(graph: Graph, chain: readonly Unit[]): Graph {
  const view = viewOf(graph);
  const chip = nodeIds(chain);
  const copied = new Set<string>();
  for (let at = chain.length - 2; at >= 0; at -= 1) {
    const unit = chain[at];
    if (unit === undefined || unit.form === "conv") continue;
    const isNeeded = copied.has(chain[at + 1]?.output ?? "");
    if (isNeeded || isTapped(unit.output, chip, view)) copied.add(unit.output);
  }
  if (copied.size === 0) return graph;
  const taken = new Set(view.nodes.keys());
  const copies = new Map<string, string>();
  for (const id of copied) {
    const copy = freshId(`${id}.host`, taken);
    taken.add(copy);
    copies.set(id, copy);
  }
  const rename = (id: string): string => copies.get(id) ?? id;
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const moved = { ...node, inputs: node.inputs.map(rename) };
    if (!chip.has(node.id)) return [moved];
    const copy = copies.get(node.id);
    return copy === undefined ? [node] : [node, { ...moved, id: copy }];
  });
  const outputs = graph.outputs.map(({ name, id }) => ({ name, id: rename(id) }));
  return { ...graph, nodes, outputs };
}
