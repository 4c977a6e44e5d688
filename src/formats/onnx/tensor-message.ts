/**
 * Our tensors as TensorProto messages (raw data, little-endian).
 */
import type { Tensor } from "../../tensor/tensor.ts";
import { elementCode } from "./element-types.ts";
import type { OnnxInit } from "./schema.ts";

/** The message of a tensor; its payload is a view of the tensor's memory. */
export function tensorMessage(value: Tensor, name?: string): OnnxInit<"TensorProto"> {
  const { buffer, byteOffset, byteLength } = value.data;
  return {
    dims: value.shape,
    data_type: elementCode(value.dtype),
    name,
    raw_data: new Uint8Array(buffer, byteOffset, byteLength),
  };
}
