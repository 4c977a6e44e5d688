/**
 * Attributes of a node to be written: constructors that say which of ONNX's kinds a value has, and
 * their encoding.
 */
import { encode } from "../../protobuf/encode.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type OnnxInit, onnxSchema } from "./schema.ts";
import { tensorMessage } from "./tensor-message.ts";

/** AttributeProto.AttributeType. */
export const attributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  graphs: 10,
} as const;

export type Attribute = Omit<OnnxInit<"AttributeProto">, "name">;
export type Attributes = Readonly<Record<string, Attribute | undefined>>;

const utf8 = new TextEncoder();

export const int = (value: number): Attribute => ({ type: attributeType.int, i: value });
export const float = (value: number): Attribute => ({ type: attributeType.float, f: value });
export const text = (value: string): Attribute => ({
  type: attributeType.string,
  s: utf8.encode(value),
});
export const ints = (values: readonly number[]): Attribute => ({
  type: attributeType.ints,
  ints: BigInt64Array.from(values, BigInt),
});
export const floats = (values: readonly number[]): Attribute => ({
  type: attributeType.floats,
  floats: Float32Array.from(values),
});
export const tensorAttribute = (value: Tensor): Attribute => ({
  type: attributeType.tensor,
  t: tensorMessage(value),
});

/** Encoded AttributeProto messages; attributes that are undefined are left out. */
export function encodeAttributes(attributes: Attributes): Uint8Array[] {
  return Object.entries(attributes).flatMap(([name, attribute]) =>
    attribute === undefined ? [] : [encode(onnxSchema, "AttributeProto", { ...attribute, name })],
  );
}
