/**
 * Declared types of an ONNX graph's inputs and outputs, for one batch size or for every one.
 */
import { InlayError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import { inferTypes, type Types, withBatch } from "../../ir/infer.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { TensorType } from "../../tensor/tensor.ts";
import { elementCode } from "./element-types.ts";
import type { OnnxInit } from "./schema.ts";

/** `"symbolic"`: any batch size; a number: that one; absent: as the graph says. */
export type Batch = "symbolic" | number | undefined;

/** A dimension: a size, the batch, or one that is not known. */
type Dim = number | "batch" | "unknown";

/** The type of each value by id; undefined where it is not declared. */
export type Declared = (
  id: string,
) => { readonly dtype: TensorType["dtype"]; readonly dims: readonly Dim[] } | undefined;

/** A ValueInfoProto; without type where that is undefined. */
export function valueInfo(
  name: string,
  declared: ReturnType<Declared>,
): OnnxInit<"ValueInfoProto"> {
  if (declared === undefined) return { name };
  const dim = declared.dims.map((size): OnnxInit<"DimensionProto"> => {
    if (size === "batch") return { dim_param: "N" };
    return size === "unknown" ? {} : { dim_value: size };
  });
  const tensorType = { elem_type: elementCode(declared.dtype), shape: { dim } };
  return { name, type: { tensor_type: tensorType } };
}

/** True where every input that shares the first one's batch can be given another. */
function hasBatch(graph: Graph): boolean {
  return graph.nodes.every((node) => node.op !== "input" || node.attrs.shape.length > 0);
}

/**
 * For a symbolic batch the types are inferred for two batch sizes: a dimension that is the size in
 * both is the batch, any other that moves is unknown.
 */
export function declareTypes(graph: Graph, types: Types, batch: Batch): Declared {
  if (batch !== "symbolic") {
    return (id) => {
      const type = types.get(id);
      return type && { dtype: type.dtype, dims: type.shape };
    };
  }
  const inputs = new Set(graph.nodes.filter((node) => node.op === "input").map(({ id }) => id));
  const [two, three] = [typesWithBatch(graph, 2), typesWithBatch(graph, 3)];
  return (id) => {
    const [a, b] = [two?.get(id), three?.get(id)];
    if (a !== undefined && b !== undefined) {
      return { dtype: a.dtype, dims: symbolicDims(a.shape, b.shape) };
    }
    const type = types.get(id);
    if (type === undefined || !inputs.has(id)) return undefined;
    const dims = type.shape.map((dim, axis): Dim => (axis === 0 ? "batch" : dim));
    return { dtype: type.dtype, dims };
  };
}

function symbolicDims(two: Shape, three: Shape): Dim[] {
  return two.map((dim, axis) => {
    if (dim === three[axis]) return dim;
    return dim === 2 && three[axis] === 3 ? "batch" : "unknown";
  });
}

/** Undefined where the graph only holds for its own batch size, e.g. behind a fixed reshape. */
function typesWithBatch(graph: Graph, n: number): Types | undefined {
  if (!hasBatch(graph)) return undefined;
  try {
    return inferTypes(withBatch(graph, n));
  } catch (error) {
    if (error instanceof InlayError) return undefined;
    throw error;
  }
}
