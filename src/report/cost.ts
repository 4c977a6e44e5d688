/**
 * What a graph costs to run: multiply-accumulates, parameters, bytes. Counts only; time is measured
 * elsewhere.
 */
import { constantOf, type Graph } from "../ir/graph.ts";
import type { Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { elementCount, type Shape } from "../tensor/shape.ts";
import { elementBytes, type Tensor, type TensorType } from "../tensor/tensor.ts";

export function typeBytes(type: TensorType): number {
  return elementCount(type.shape) * elementBytes[type.dtype];
}

/** Constants that count as parameters: 64-bit integers and booleans are shapes, axes and switches. */
function isParameter(tensor: Tensor): boolean {
  return tensor.dtype !== "int64" && tensor.dtype !== "uint64" && tensor.dtype !== "bool";
}

/** The node's constants that count as parameters, each once, by id. */
export function parametersOf(
  node: Node,
  nodes: ReadonlyMap<string, Node>,
): ReadonlyMap<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const id of node.inputs) {
    const value = constantOf(nodes.get(id));
    if (value !== undefined && isParameter(value)) found.set(id, value);
  }
  return found;
}

/**
 * Multiply-accumulates of one node: convolutions, deconvolutions and fully connected layers count,
 * bias and padding included as in every published figure; everything else is 0. Null where a
 * shape is unknown, and for operators that only ONNX Runtime knows.
 */
export function macsOf(node: Node, types: Types): number | null {
  if (node.op === "opaque") return null;
  const weight = types.get(node.inputs[1] ?? "")?.shape;
  switch (node.op) {
    case "conv":
    case "quantConv":
    case "intConv":
      return product(types.get(node.id)?.shape, weight?.slice(1));
    case "deconv":
      // Each input value meets [out / groups, kh, kw] weights.
      return product(types.get(node.inputs[0] ?? "")?.shape, weight?.slice(1));
    case "linear":
    case "intLinear":
      return product(types.get(node.id)?.shape, weight?.slice(1));
    default:
      return 0;
  }
}

function product(values: Shape | undefined, perValue: Shape | undefined): number | null {
  if (values === undefined || perValue === undefined) return null;
  return elementCount(values) * elementCount(perValue);
}

/** Ids of `result` nodes to the opaque node that holds them; a value that is no result is its own. */
export function owner(node: Node): string {
  return node.op === "result" ? (node.inputs[0] ?? node.id) : node.id;
}

/** Bytes of what each node gives (all results of an opaque node together); null where unknown. */
export function activationBytes(graph: Graph, types: Types): ReadonlyMap<string, number | null> {
  const bytes = new Map<string, number | null>();
  for (const node of graph.nodes) {
    if (node.op === "const") continue;
    const type = types.get(node.id);
    if (node.op !== "result") bytes.set(node.id, type === undefined ? null : typeBytes(type));
    else if (type !== undefined) {
      bytes.set(owner(node), (bytes.get(owner(node)) ?? 0) + typeBytes(type));
    }
  }
  return bytes;
}

/**
 * Largest sum of live activations in bytes: each value lives from the node that gives it to its last
 * reader, inputs from the start, outputs to the end; nothing is computed in place. Values of
 * unknown size count as 0.
 */
export function peakActivationBytes(graph: Graph, types: Types): number {
  const bytes = activationBytes(graph, types);
  const dying = lastUses(graph);
  let live = sum(graph.nodes.filter((node) => node.op === "input").map((node) => node.id));
  let peak = live;
  graph.nodes.forEach((node, at) => {
    if (node.op !== "input" && node.op !== "result") live += bytes.get(node.id) ?? 0;
    peak = Math.max(peak, live);
    live -= sum(dying.get(at) ?? []);
  });
  return peak;

  function sum(ids: readonly string[]): number {
    return ids.reduce((total, id) => total + (bytes.get(id) ?? 0), 0);
  }
}

/** The values that die after the node at each place; graph outputs never do. */
function lastUses(graph: Graph): ReadonlyMap<number, readonly string[]> {
  const owners = new Map(graph.nodes.map((node) => [node.id, owner(node)]));
  const last = new Map<string, number>();
  graph.nodes.forEach((node, at) => {
    for (const id of [node.id, ...node.inputs]) last.set(owners.get(id) ?? id, at);
  });
  for (const output of graph.outputs) last.delete(owners.get(output.id) ?? output.id);
  const dying = new Map<number, string[]>();
  for (const [id, at] of last) {
    const list = dying.get(at);
    if (list === undefined) dying.set(at, [id]);
    else list.push(id);
  }
  return dying;
}
