/**
 * TensorProto to tensor: every spelling of the payload, checked against the dimensions before
 * anything is allocated.
 */
import { InlayError, inputError } from "../../error.ts";
import { elementCount, formatShape } from "../../tensor/shape.ts";
import { type DType, elementBytes, type Tensor, tensor } from "../../tensor/tensor.ts";
import { elementType } from "./element-types.ts";
import type { OnnxInit, OnnxMessage } from "./schema.ts";

/** The bytes of a file beside the model, by the `location` that the model gives. */
export type External = (location: string) => Uint8Array;

/** Where a tensor came from, for errors, and how to reach its external data. */
export type TensorSource = { readonly file: string; readonly external?: External | undefined };

type Message = OnnxMessage<"TensorProto">;

/** The tensor; undefined where its element type is none of ours. Throws where the data do not fit. */
export function readTensor(message: Message, source: TensorSource): Tensor | undefined {
  const dtype = elementType(message.data_type);
  if (dtype === undefined) return undefined;
  const count = checkedCount(message, source);
  const raw = rawBytes(message, source);
  if (raw !== undefined) return fromRaw(dtype, message, raw, count, source);
  const data = fromFields(dtype, message);
  if (data.length !== count) throw misfit(message, source, count, data.length, "values");
  return tensor(dtype, message.dims, data as never);
}

/** The message with its external data inside, so that it can stand alone. */
export function embedded(message: Message, source: TensorSource): OnnxInit<"TensorProto"> {
  const raw = rawBytes(message, source);
  if (raw === undefined) return message;
  return { ...message, raw_data: raw, external_data: [], data_location: undefined };
}

function checkedCount(message: Message, source: TensorSource): number {
  try {
    return elementCount(message.dims);
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    throw inputError(error.fields.what, { ...error.fields, ...place(message, source) });
  }
}

function place(message: Message, source: TensorSource): { where: string; node: string } {
  return { where: source.file, node: `tensor "${message.name ?? ""}"` };
}

function misfit(
  message: Message,
  source: TensorSource,
  expected: number,
  got: number,
  unit: string,
): Error {
  return inputError("tensor data does not fit its dimensions", {
    ...place(message, source),
    expected: `${formatShape(message.dims)} = ${expected} ${unit}`,
    got: `${got}`,
    hint: "The file is damaged or was cut off",
  });
}

/** Raw bytes from the message or from its external file; undefined where it has neither. */
function rawBytes(message: Message, source: TensorSource): Uint8Array | undefined {
  if (message.data_location !== 1) return message.raw_data;
  const entry = (key: string): string | undefined =>
    message.external_data.find((item) => item.key === key)?.value;
  const location = entry("location");
  if (location === undefined || source.external === undefined) {
    throw inputError("the tensor's data lie in another file", {
      ...place(message, source),
      got: location === undefined ? "no location" : `"${location}"`,
      hint: "Keep the data file beside the model, or save the model in one file",
    });
  }
  const bytes = source.external(location);
  const offset = Number(entry("offset") ?? 0);
  const length = Number(entry("length") ?? bytes.length - offset);
  const inside = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
  if (!inside(offset) || !inside(length) || offset + length > bytes.length) {
    throw inputError("external data lie outside their file", {
      ...place(message, source),
      expected: `within ${bytes.length} bytes of "${location}"`,
      got: `offset ${entry("offset") ?? 0}, length ${entry("length") ?? "not given"}`,
    });
  }
  return bytes.subarray(offset, offset + length);
}

function fromRaw(
  dtype: DType,
  message: Message,
  raw: Uint8Array,
  count: number,
  source: TensorSource,
): Tensor {
  const size = elementBytes[dtype];
  if (raw.length !== count * size) {
    throw misfit(message, source, count * size, raw.length, "bytes");
  }
  // A view where the bytes lie aligned; a copy where they do not.
  const aligned = raw.byteOffset % size === 0 ? raw : raw.slice();
  const { buffer, byteOffset } = aligned;
  return tensor(
    dtype,
    message.dims,
    viewOf[dtype](buffer as ArrayBuffer, byteOffset, count) as never,
  );
}

type View = (buffer: ArrayBuffer, offset: number, count: number) => ArrayLike<number | bigint>;

const viewOf: Readonly<Record<DType, View>> = {
  float32: (...at) => new Float32Array(...at),
  float64: (...at) => new Float64Array(...at),
  float16: (...at) => new Uint16Array(...at),
  int8: (...at) => new Int8Array(...at),
  uint8: (...at) => new Uint8Array(...at),
  int16: (...at) => new Int16Array(...at),
  uint16: (...at) => new Uint16Array(...at),
  int32: (...at) => new Int32Array(...at),
  uint32: (...at) => new Uint32Array(...at),
  int64: (...at) => new BigInt64Array(...at),
  uint64: (...at) => new BigUint64Array(...at),
  bool: (...at) => new Uint8Array(...at),
};

/** Small integers and halves travel in int32_data, unsigned ones of 32 bits in uint64_data. */
function fromFields(dtype: DType, message: Message): ArrayLike<number | bigint> {
  switch (dtype) {
    case "float32":
      return message.float_data;
    case "float64":
      return message.double_data;
    case "int64":
      return message.int64_data;
    case "uint64":
      return message.uint64_data;
    case "uint32":
      return Uint32Array.from(message.uint64_data, (value) => Number(BigInt.asUintN(32, value)));
    case "int32":
      return message.int32_data;
    case "int8":
      return Int8Array.from(message.int32_data);
    case "uint8":
    case "bool":
      return Uint8Array.from(message.int32_data);
    case "int16":
      return Int16Array.from(message.int32_data);
    case "uint16":
    case "float16":
      return Uint16Array.from(message.int32_data);
  }
}
