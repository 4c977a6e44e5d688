/**
 * The rewrite engine: rules look at one node and give what takes its place. No rule edits a node;
 * what no output needs any more is swept.
 */
import { consumers, type Graph, sweep } from "./graph.ts";
import type { Node } from "./ops.ts";

/** What a rule may ask about the graph that is being rewritten. */
export type Context = {
  /** The node with this id, as rewritten so far; it stands before the node in hand. */
  readonly get: (id: string | undefined) => Node | undefined;
  /** How often the value is read in the original graph, graph outputs included. */
  readonly uses: (id: string) => number;
  /** True where the value is a graph output. */
  readonly isOutput: (id: string) => boolean;
};

/**
 * Gives the nodes that take this one's place, the last of them with this node's id; an id, where
 * another node's value stands in for it; or nothing where the rule does not apply.
 */
export type Rule = (node: Node, context: Context) => readonly Node[] | string | undefined;

/** Applies each rule once to each node, in order; the rules see the nodes before it as rewritten. */
export function rewrite(graph: Graph, rules: readonly Rule[]): Graph {
  const seen = new Map<string, Node>();
  const alias = new Map<string, string>();
  const resolve = (id: string): string => alias.get(id) ?? id;
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map((output) => output.id));
  const context: Context = {
    get: (id) => (id === undefined ? undefined : seen.get(resolve(id))),
    uses: (id) =>
      (readers.get(id) ?? []).reduce(
        (count, reader) => count + reader.inputs.filter((input) => input === id).length,
        outputs.has(id) ? 1 : 0,
      ),
    isOutput: (id) => outputs.has(id),
  };
  let changed = false;
  for (const original of graph.nodes) {
    let nodes: readonly Node[] = [withInputs(original, resolve)];
    for (const rule of rules) {
      const last = nodes.at(-1);
      if (last === undefined) break;
      const found = rule(last, context);
      if (found === undefined) continue;
      changed = true;
      if (typeof found === "string") {
        alias.set(original.id, resolve(found));
        nodes = [];
      } else {
        nodes = [...nodes.slice(0, -1), ...found];
      }
    }
    for (const node of nodes) seen.set(node.id, node);
  }
  if (!changed) return graph;
  const renamed = graph.outputs.map((output) => ({ ...output, id: resolve(output.id) }));
  return sweep({ ...graph, nodes: [...seen.values()], outputs: renamed });
}

/** The node with its inputs renamed; the same object where no name changes. */
function withInputs(node: Node, rename: (id: string) => string): Node {
  const inputs = node.inputs.map(rename);
  return inputs.every((id, index) => id === node.inputs[index]) ? node : { ...node, inputs };
}
