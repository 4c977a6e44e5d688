/**
 * Ids for the constants and fused nodes that a pass makes, and the names that they should carry once
 * what they replace is gone.
 */
import { freshId, type Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Parameters, Weighted } from "./weights.ts";

export type Namer = {
  /** A constant under an unused id close to `base`. */
  readonly constant: (base: string, value: Tensor) => Node<"const">;
  /** Asks for a node to take the name of another, if that is free in the end. */
  readonly wish: (id: string, name: string) => void;
  readonly wishes: ReadonlyMap<string, string>;
};

/** A namer that avoids all ids of the graph, and its own. */
export function createNamer(graph: Graph): Namer {
  const taken = new Set(graph.nodes.map((node) => node.id));
  const wishes = new Map<string, string>();
  return {
    constant: (base, value) => {
      const id = freshId(base, taken);
      taken.add(id);
      return { op: "const", id, inputs: [], attrs: { tensor: value } };
    },
    wish: (id, name) => {
      wishes.set(id, name);
    },
    wishes,
  };
}

/**
 * `base` with other parameters, reading `source`, under `id`: the constants and the node. The
 * names of the parameters that they replace are asked for.
 */
export function replaceParameters(
  base: Weighted,
  parameters: Parameters,
  place: { readonly id: string; readonly source: string },
  namer: Namer,
): readonly Node[] {
  const values = [parameters.weight, ...(parameters.bias === undefined ? [] : [parameters.bias])];
  const made = values.map((value, at) => {
    const name = `${base.id}.${at === 0 ? "weight" : "bias"}`;
    const node = namer.constant(name, value);
    namer.wish(node.id, base.inputs[at + 1] ?? name);
    return node;
  });
  if (place.id !== base.id) namer.wish(place.id, base.id);
  return [...made, { ...base, id: place.id, inputs: [place.source, ...made.map(({ id }) => id)] }];
}
