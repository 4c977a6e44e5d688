/**
 * What the exporter of one node sees: blob names, constants and shapes of the graph. The counterpart
 * of `context.ts`.
 */
import { type InlayError, inputError } from "../../error.ts";
import { constantOf, describe, freshId, type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes, type Types } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import type { MessageInit } from "../../protobuf/schema.ts";
import { formatShape, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { CaffeSchema, LayerInit } from "./schema/schema.ts";

export type ExportContext = {
  readonly graph: Graph;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly types: Types;
  /** Blob name by value id. */
  readonly blobs: ReadonlyMap<string, string>;
  /** Constants that are read as data: they need a layer of their own. */
  readonly asData: Set<string>;
};

export type BlobInit = MessageInit<CaffeSchema, "BlobProto">;

export function exportContext(graph: Graph): ExportContext {
  return {
    graph,
    nodes: nodeMap(graph),
    types: inferTypes(graph),
    blobs: blobNames(graph),
    asData: new Set(),
  };
}

/** Ids as blob names; names of outputs are kept free for them. */
function blobNames(graph: Graph): ReadonlyMap<string, string> {
  const taken = new Set(graph.outputs.map((output) => output.name));
  const direct = new Map<string, string>();
  for (const { id, name } of directOutputs(graph)) direct.set(id, name);
  const names = new Map<string, string>();
  for (const { id } of graph.nodes) {
    const name = direct.get(id) ?? freshId(id, taken);
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
  const own = new Set(
    graph.nodes.filter(({ op }) => op !== "input" && op !== "const").map(({ id }) => id),
  );
  return graph.outputs.filter(({ id }) => !read.has(id) && given.get(id) === 1 && own.has(id));
}

/** An error: Caffe has no layer for this node. */
export function inexpressible(node: Node, what: string, got?: string): InlayError {
  return inputError(`cannot be written as Caffe layers: ${what}`, {
    node: describe(node),
    got,
    hint: "Write ONNX instead",
  });
}

/** The blob of input `index`. A constant that is read as data gets a Parameter layer. */
function bottomOf(context: ExportContext, node: Node, index: number): string {
  const id = node.inputs[index];
  const name = id === undefined ? undefined : context.blobs.get(id);
  if (id === undefined || name === undefined) {
    throw inexpressible(node, `input ${index} is missing`);
  }
  if (context.nodes.get(id)?.op === "const") context.asData.add(id);
  return name;
}

/** The float32 constant of input `index`. Throws where it is computed. */
export function weightOf(context: ExportContext, node: Node, index: number): Tensor<"float32"> {
  const tensor = constantOf(context.nodes.get(node.inputs[index] ?? ""));
  if (tensor?.dtype === "float32") return tensor;
  throw inexpressible(
    node,
    `input ${index} must be a float32 constant`,
    tensor?.dtype ?? "a value",
  );
}

export function blobOf(tensor: Tensor<"float32">): BlobInit {
  return { shape: { dim: tensor.shape }, data: tensor.data };
}

/** A layer named as the node, reading the blobs of its first `bottoms` inputs. */
export function layerFor(
  context: ExportContext,
  node: Node,
  type: string,
  fields: LayerInit = {},
  bottoms = 1,
): LayerInit {
  const top = context.blobs.get(node.id) ?? node.id;
  const bottom = Array.from({ length: bottoms }, (_, index) => bottomOf(context, node, index));
  return { name: node.id, type, bottom, top: [top], ...fields };
}

/** The shape of input `index`. Throws where it is not known. */
export function inputShapeOf(context: ExportContext, node: Node, index: number): Shape {
  const type = context.types.get(node.inputs[index] ?? "");
  if (type !== undefined) return type.shape;
  throw inexpressible(node, `the shape of input ${index} is not known`);
}

/** Throws unless all inputs have one shape: Caffe's Eltwise does not broadcast. */
export function assertSameShapes(context: ExportContext, node: Node): void {
  const shapes = node.inputs.map((_, index) => formatShape(inputShapeOf(context, node, index)));
  if (new Set(shapes).size > 1) {
    throw inexpressible(node, "the inputs have different shapes", shapes.join(", "));
  }
}
