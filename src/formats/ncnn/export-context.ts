/**
 * What the exporter of one node sees: blob names, constants and shapes of the graph at a batch of one. ncnn
 * has no batch axis: `[1, c, h, w]` is its `c, h, w`, and axis `a` its `a - 1`.
 */
import { type InlayError, inputError } from "../../error.ts";
import { constantOf, consumers, describe, freshId, type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes, type Types, withBatch } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, formatShape, type Nchw, normalizeAxis, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  int,
  type LayerType,
  maxNameBytes,
  type NcnnLayer,
  type Param,
  type Weights,
} from "./layer.ts";

export type ExportContext = {
  readonly graph: Graph;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  readonly types: Types;
  /** Blob name by value id. */
  readonly blobs: ReadonlyMap<string, string>;
  /** Names of blobs and layers that are taken. */
  readonly taken: Set<string>;
};

export type Layers = readonly NcnnLayer[];

export function exportContext(graph: Graph): ExportContext {
  const single = withBatch(graph, 1);
  const taken = new Set(graph.outputs.map(({ name }) => printable(name)));
  return {
    graph: single,
    nodes: nodeMap(single),
    readers: consumers(single),
    types: inferTypes(single),
    blobs: blobNames(single, taken),
    taken,
  };
}

const encoder = new TextEncoder();
/** What is left of a long name: room for `.2` and `_splitncnn_12`. */
const keptBytes = maxNameBytes - 31;

/** A name as ncnn can hold it: without blanks, not empty, not too long. */
export function printable(name: string): string {
  const joined = name.trim().replace(/\s+/g, "_") || "_";
  if (encoder.encode(joined).length <= keptBytes) return joined;
  const chars = [...joined];
  let bytes = 0;
  const end = chars.findIndex((char) => {
    bytes += encoder.encode(char).length;
    return bytes > keptBytes;
  });
  return chars.slice(0, end).join("");
}

/** Ids as blob names; names of outputs are kept for them. */
function blobNames(graph: Graph, taken: Set<string>): ReadonlyMap<string, string> {
  const direct = new Map(directOutputs(graph).map(({ id, name }) => [id, printable(name)]));
  const names = new Map<string, string>();
  for (const { id } of graph.nodes) {
    const name = direct.get(id) ?? freshId(printable(id), taken);
    taken.add(name);
    names.set(id, name);
  }
  return names;
}

/** Outputs that can be their node's own blob: read by no node, given once, and no input. */
export function directOutputs(graph: Graph): Graph["outputs"] {
  const read = new Set(graph.nodes.flatMap((node) => node.inputs));
  const given = new Map<string, number>();
  for (const { id } of graph.outputs) given.set(id, (given.get(id) ?? 0) + 1);
  const inputs = new Set(graph.nodes.filter(({ op }) => op === "input").map(({ id }) => id));
  return graph.outputs.filter(({ id }) => !read.has(id) && given.get(id) === 1 && !inputs.has(id));
}

/** A name that no blob or layer has yet. */
export function freshName(context: ExportContext, base: string): string {
  const name = freshId(printable(base), context.taken);
  context.taken.add(name);
  return name;
}

/** An error: ncnn has no layer for this node. */
export function inexpressible(node: Node, what: string, got?: string): InlayError {
  return inputError(`cannot be written as ncnn layers: ${what}`, {
    node: describe(node),
    got,
    hint: "Write ONNX instead, or end the graph before it",
  });
}

/** The blob of a value. */
export function blobOf(context: ExportContext, id: string): string {
  return context.blobs.get(id) ?? id;
}

/** Id of input `index`. */
export function inputOf(node: Node, index: number): string {
  const id = node.inputs[index];
  if (id === undefined) throw inexpressible(node, `input ${index} is missing`);
  return id;
}

/** The constant behind input `index`; undefined where it is computed or absent. */
export function constantInput(
  context: ExportContext,
  node: Node,
  index: number,
): Tensor | undefined {
  return constantOf(context.nodes.get(node.inputs[index] ?? ""));
}

/** The float32 constant of input `index`. Throws where it is computed. */
export function weightOf(context: ExportContext, node: Node, index: number): Tensor<"float32"> {
  const tensor = constantInput(context, node, index);
  if (tensor?.dtype === "float32") return tensor;
  const got = tensor?.dtype ?? "a computed value";
  throw inexpressible(node, `input ${index} must be a float32 constant`, got);
}

/** Shape of a value at a batch of one. */
export function shapeOf(context: ExportContext, node: Node, id: string): Shape {
  const type = context.types.get(id);
  if (type !== undefined) return type.shape;
  throw inexpressible(node, `the shape of "${id}" is not known`);
}

/** Shape of input `index` at a batch of one. */
export function inputShape(context: ExportContext, node: Node, index: number): Shape {
  return shapeOf(context, node, inputOf(node, index));
}

/** Shape of input 0, which must be an image. */
export function imageShape(context: ExportContext, node: Node): Nchw {
  return asNchw(inputShape(context, node, 0), describe(node));
}

/** An axis of input 0 as ncnn counts it. Throws for the batch. */
export function axisOf(context: ExportContext, node: Node, axis: number): number {
  const rank = inputShape(context, node, 0).length;
  const positive = normalizeAxis(axis, rank, describe(node));
  if (positive === 0) throw inexpressible(node, "it works along the batch axis");
  return positive - 1;
}

/** Sizes of a shape without its batch. Throws where that is not one, or a rank that ncnn has not. */
export function dimsOf(node: Node, shape: Shape): Shape {
  const dims = shape.slice(1);
  if (shape[0] !== 1) {
    throw inexpressible(node, "its first axis is no batch", `[${formatShape(shape)}]`);
  }
  if (dims.length < 1 || dims.length > 4) {
    throw inexpressible(node, "ncnn has 1 to 4 axes besides the batch", `[${formatShape(shape)}]`);
  }
  return dims;
}

/** Sizes as the parameters of Input, MemoryData and Reshape: w, h, c, and d where there are four. */
export function sizeParams(dims: Shape): readonly Param[] {
  const [w = 1, h] = dims.toReversed();
  const depth = dims.length === 4 ? [int(11, dims[1] ?? 1)] : [];
  const channels = dims.length >= 3 ? [int(2, dims[0] ?? 1)] : [];
  return [int(0, w), ...(h === undefined ? [] : [int(1, h)]), ...channels, ...depth];
}

export type LayerParts = {
  readonly bottoms?: readonly string[];
  readonly tops?: readonly string[];
  readonly params?: readonly (Param | readonly Param[])[];
  readonly weights?: readonly Weights[];
};

/** The node's own layer: named as it, from the blob of its input 0 to its blob unless said otherwise. */
export function layerFor(
  context: ExportContext,
  node: Node,
  type: LayerType,
  parts: LayerParts = {},
): NcnnLayer {
  return {
    type,
    name: printable(node.id),
    bottoms: parts.bottoms ?? [blobOf(context, inputOf(node, 0))],
    tops: parts.tops ?? [blobOf(context, node.id)],
    params: (parts.params ?? []).flat(),
    weights: parts.weights ?? [],
  };
}

/** A layer in front of a node's own, giving a blob of its own. */
export function stepFor(
  context: ExportContext,
  node: Node,
  suffix: string,
  type: LayerType,
  parts: LayerParts = {},
): NcnnLayer & { readonly top: string } {
  const top = freshName(context, `${node.id}.${suffix}`);
  return { ...layerFor(context, node, type, { ...parts, tops: [top] }), name: top, top };
}

/** The parameter, unless it has the value that ncnn takes in its absence. */
export function unless(param: Param, absent: number): readonly Param[] {
  return param.words[0] === absent ? [] : [param];
}

export const flagged = (tensor: Tensor<"float32">): Weights => ({
  data: tensor.data,
  flagged: true,
});
export const bare = (data: Float32Array): Weights => ({ data, flagged: false });
