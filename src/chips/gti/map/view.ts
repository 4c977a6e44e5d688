/**
 * A graph with what its rules ask again and again: nodes by id, readers, types.
 */
import { consumers, type Graph, nodeMap } from "../../../ir/graph.ts";
import { inferTypes, type Types } from "../../../ir/infer.ts";
import type { Node } from "../../../ir/ops.ts";
import type { Shape } from "../../../tensor/shape.ts";

export type View = {
  readonly graph: Graph;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  readonly types: Types;
  /** Ids of the graph's outputs. */
  readonly outputs: ReadonlySet<string>;
};

export function viewOf(graph: Graph): View {
  return {
    graph,
    nodes: nodeMap(graph),
    readers: consumers(graph),
    types: inferTypes(graph),
    outputs: new Set(graph.outputs.map(({ id }) => id)),
  };
}

/** The one node that reads the value; undefined where several do, or where it is a graph output. */
export function soleReader(view: View, id: string): Node | undefined {
  const [reader, ...others] = view.readers.get(id) ?? [];
  return others.length > 0 || view.outputs.has(id) ? undefined : reader;
}

/** Shape of a value; empty where it is unknown. */
export function shapeOf(view: View, id: string | undefined): Shape {
  return view.types.get(id ?? "")?.shape ?? [];
}
