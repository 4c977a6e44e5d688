/**
 * ONNX's element type codes (TensorProto.DataType) and our element types.
 */
import type { DType } from "../../tensor/tensor.ts";

const codes: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

const dtypes: ReadonlyMap<number, DType> = new Map(
  Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]),
);

/** Names of the codes that we have no element type for; ONNX Runtime may still know them. */
const foreignNames: ReadonlyMap<number, string> = new Map([
  [8, "string"],
  [14, "complex64"],
  [15, "complex128"],
  [16, "bfloat16"],
  [17, "float8e4m3fn"],
  [18, "float8e4m3fnuz"],
  [19, "float8e5m2"],
  [20, "float8e5m2fnuz"],
  [21, "uint4"],
  [22, "int4"],
  [23, "float4e2m1"],
  [24, "float8e8m0"],
  [25, "uint2"],
  [26, "int2"],
]);

/** The code of an element type: float32 is 1. */
export function elementCode(dtype: DType): number {
  return codes[dtype];
}

/** The element type of a code, or undefined where we have none (strings, bfloat16, int4, ...). */
export function elementType(code: number | undefined): DType | undefined {
  return code === undefined ? undefined : dtypes.get(code);
}

/** The name of a code for messages. */
export function elementName(code: number | undefined): string {
  if (code === undefined) return "no element type";
  return dtypes.get(code) ?? foreignNames.get(code) ?? `element type ${code}`;
}
