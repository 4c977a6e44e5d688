/**
 * A network as a value: frozen nodes in topological order, and named outputs. Nothing is edited in
 * place; a pass returns a new graph, or the same object when it changes nothing.
 */
import type { Tensor } from "../tensor/tensor.ts";
import type { Node, Op } from "./ops.ts";

/** A graph output: the name users see, and the node that gives it. */
export type Output = { readonly name: string; readonly id: string };

export type Graph = {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly outputs: readonly Output[];
  /** ONNX operator-set versions that opaque nodes were written for, by domain ("" is ONNX's own). */
  readonly opsets: Readonly<Record<string, number>>;
};

/** Nodes by id. */
export function nodeMap(graph: Graph): ReadonlyMap<string, Node> {
  return new Map(graph.nodes.map((node) => [node.id, node]));
}

/** The nodes that read each value, by the value's id; graph outputs do not count. */
export function consumers(graph: Graph): ReadonlyMap<string, readonly Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const id of new Set(node.inputs)) {
      const list = readers.get(id);
      if (list === undefined) readers.set(id, [node]);
      else list.push(node);
    }
  }
  return readers;
}

export function nodesOf<K extends Op>(graph: Graph, op: K): readonly Extract<Node, { op: K }>[] {
  return graph.nodes.filter((node): node is Extract<Node, { op: K }> => node.op === op);
}

/** `conv "conv1"`, as errors name a node. */
export function describe(node: Node): string {
  return node.op === "opaque" ? `${node.attrs.opType} "${node.id}"` : `${node.op} "${node.id}"`;
}

/** The tensor of a `const` node; undefined for any other node. */
export function constantOf(node: Node | undefined): Tensor | undefined {
  return node?.op === "const" ? node.attrs.tensor : undefined;
}

/** Drops the nodes that no output needs; inputs stay. The same graph if there are none. */
export function sweep(graph: Graph): Graph {
  const live = new Set(graph.outputs.map((output) => output.id));
  for (const node of graph.nodes.toReversed()) {
    if (live.has(node.id)) for (const id of node.inputs) live.add(id);
  }
  const nodes = graph.nodes.filter((node) => live.has(node.id) || node.op === "input");
  return nodes.length === graph.nodes.length ? graph : { ...graph, nodes };
}

/** How far the numbers behind a base were tried: a thousand layers of one name must not cost a million looks. */
const tried = new WeakMap<object, Map<string, number>>();

/** An id that is not taken yet: `base`, `base.2`, `base.3`, ... Ids that were taken once stay so. */
export function freshId(base: string, taken: { has(id: string): boolean }): string {
  if (!taken.has(base)) return base;
  const counts = tried.get(taken) ?? new Map<string, number>();
  tried.set(taken, counts);
  for (let count = counts.get(base) ?? 2; ; count += 1) {
    const id = `${base}.${count}`;
    if (taken.has(id)) continue;
    counts.set(base, count);
    return id;
  }
}
