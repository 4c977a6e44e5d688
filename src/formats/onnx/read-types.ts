/**
 * Declared types of an ONNX graph's values. Open batch dimensions are taken as 1.
 */
import { inputError } from "../../error.ts";
import { elementCount, type Shape } from "../../tensor/shape.ts";
import type { TensorType } from "../../tensor/tensor.ts";
import { elementName, elementType } from "./element-types.ts";
import type { OnnxMessage } from "./schema.ts";

type ValueInfo = OnnxMessage<"ValueInfoProto">;
type Dimension = OnnxMessage<"DimensionProto">;

/** Sizes of named dimensions, learned from the inputs. */
export type Named = Map<string, number>;

/**
 * The type of a graph input. `given` is a shape that the caller asks for. Throws where the value is
 * no tensor of ours or its image size is open.
 */
export function inputType(
  info: ValueInfo,
  file: string,
  given: Shape | undefined,
  named: Named,
): TensorType {
  const node = `input "${info.name ?? ""}"`;
  const type = info.type?.tensor_type;
  const dtype = elementType(type?.elem_type);
  if (type === undefined || dtype === undefined) {
    throw inputError("inputs must be tensors of a known element type", {
      where: file,
      node,
      got: type === undefined ? otherKind(info) : elementName(type.elem_type),
    });
  }
  const dims = type.shape?.dim;
  if (dims === undefined && given === undefined) {
    throw inputError("the input has no declared shape", {
      where: file,
      node,
      hint: "Give its shape when reading the model",
    });
  }
  const shape = given ?? (dims ?? []).map((dim, axis) => openSize(dim, axis, node, file));
  for (const [axis, dim] of (dims ?? []).entries()) {
    if (dim.dim_param !== undefined) named.set(dim.dim_param, shape[axis] ?? 1);
  }
  elementCount(shape);
  return { dtype, shape };
}

function otherKind(info: ValueInfo): string {
  if (info.type?.sequence_type !== undefined) return "a sequence";
  if (info.type?.optional_type !== undefined) return "an optional value";
  if (info.type?.map_type !== undefined) return "a map";
  return info.type?.sparse_tensor_type === undefined ? "no type" : "a sparse tensor";
}

/** The dimension's size; 1 where the batch is open. */
function openSize(dim: Dimension, axis: number, node: string, file: string): number {
  const size = dim.dim_value;
  if (size !== undefined && size >= 0) return size;
  if (axis === 0) return 1;
  throw inputError("the input has an open dimension besides the batch", {
    where: file,
    node,
    got: `axis ${axis}${dim.dim_param === undefined ? "" : ` = ${dim.dim_param}`}`,
    hint: "Give its shape when reading the model",
  });
}

/** The declared type of an inner value or output; undefined where a part of it is open. */
export function declaredType(info: ValueInfo, named: Named): TensorType | undefined {
  const type = info.type?.tensor_type;
  const dtype = elementType(type?.elem_type);
  if (dtype === undefined || type?.shape === undefined) return undefined;
  const shape = type.shape.dim.map((dim) => dim.dim_value ?? named.get(dim.dim_param ?? ""));
  const known = shape.filter((size) => size !== undefined && size >= 0);
  return known.length === shape.length ? { dtype, shape: known as number[] } : undefined;
}
