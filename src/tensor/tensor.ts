/**
 * A tensor is a shape and a typed array in C order. Values are never edited in place.
 */
import { inputError } from "../error.ts";
import { elementCount, formatShape, type Shape } from "./shape.ts";

type Arrays = {
  readonly float32: Float32Array;
  readonly float64: Float64Array;
  /** Raw IEEE half bits. */
  readonly float16: Uint16Array;
  readonly int8: Int8Array;
  readonly uint8: Uint8Array;
  readonly int16: Int16Array;
  readonly uint16: Uint16Array;
  readonly int32: Int32Array;
  readonly uint32: Uint32Array;
  readonly int64: BigInt64Array;
  readonly uint64: BigUint64Array;
  /** One byte each, 0 or 1. */
  readonly bool: Uint8Array;
};

export type DType = keyof Arrays;
/** Bytes of one element. */
export const elementBytes: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  float16: 2,
  int8: 1,
  uint8: 1,
  int16: 2,
  uint16: 2,
  int32: 4,
  uint32: 4,
  int64: 8,
  uint64: 8,
  bool: 1,
};

export type TensorType = { readonly dtype: DType; readonly shape: Shape };

/** One member per element type, so that `tensor.dtype` narrows `tensor.data`. */
export type Tensor<D extends DType = DType> = {
  [K in DType]: { readonly dtype: K; readonly shape: Shape; readonly data: Arrays[K] };
}[D];

/** A checked tensor: the data must hold exactly as many elements as the shape says. */
export function tensor<D extends DType>(dtype: D, shape: Shape, data: Arrays[D]): Tensor<D> {
  if (elementCount(shape) !== data.length) {
    throw inputError("tensor data does not fit its shape", {
      expected: `${formatShape(shape)} = ${elementCount(shape)} elements`,
      got: `${data.length}`,
    });
  }
  return { dtype, shape, data } as unknown as Tensor<D>;
}

export function float32(shape: Shape, data: Float32Array | readonly number[]): Tensor<"float32"> {
  return tensor("float32", shape, data instanceof Float32Array ? data : Float32Array.from(data));
}

export function int64(shape: Shape, values: readonly number[]): Tensor<"int64"> {
  return tensor("int64", shape, BigInt64Array.from(values, BigInt));
}

/** The values as numbers; 64-bit integers beyond 2^53 lose their last digits. */
export function toNumbers(value: Tensor): number[] {
  return Array.from(value.data as ArrayLike<number | bigint>, Number);
}
