/**
 * A message to protobuf bytes: fields in the order of their numbers, then the unknown ones as they
 * were read. Two passes, sizes first, so that the result is allocated once. Large content, as weights are, can stay
 * where it is: the result is then pieces, some of them views of the message.
 */
import { usageError } from "../error.ts";
import { bytesOf, type Chunks, joinBytes } from "../tensor/chunks.ts";
import { wireType } from "./decode.ts";
import { wire } from "./reader.ts";
import type { MessageInit, MessageName, Schema } from "./schema.ts";
import { type Field, fieldMessage, type MessageTable, messageTable } from "./table.ts";

type Input = { readonly [field: string]: unknown };

/** Sizes of nested messages and packed runs, in the order in which they are written. */
type Sizes = {
  readonly list: number[];
  next: number;
  /** Bytes of all content that is shared. */
  shared: number;
};

type Writer = {
  /** Everything but what is shared. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  pos: number;
  /** The pieces that are done. */
  readonly chunks: Uint8Array[];
  /** Where in `bytes` the piece begins that is being written. */
  start: number;
};

const encoder = new TextEncoder();
const maxBytes = 2 ** 31 - 1;
/** Content of at least so many bytes is shared. */
const sharedFrom = 2 ** 16;

/** The message `name` as bytes. Throws a usage error where a value does not fit its field. */
export function encode<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  message: MessageInit<S, N>,
): Uint8Array {
  return joinBytes(encodeChunks(schema, name, message));
}

/** The same bytes in pieces. Bytes and floats of 64 KiB and more are views of the message's memory. */
export function encodeChunks<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  message: MessageInit<S, N>,
): Chunks {
  const table = messageTable(schema, name);
  const sizes: Sizes = { list: [], next: 0, shared: 0 };
  const length = messageSize(schema, table, message as Input, sizes);
  if (length > maxBytes) throw usageError("a protobuf file holds at most 2 GiB");
  const bytes = new Uint8Array(length - sizes.shared);
  const view = new DataView(bytes.buffer);
  const writer: Writer = { bytes, view, pos: 0, chunks: [], start: 0 };
  writeMessage(schema, table, message as Input, sizes, writer);
  endChunk(writer);
  return writer.chunks;
}

/** Counts content that will be written by `writeRaw`. */
function sizeOfRaw(length: number, sizes: Sizes): number {
  if (length >= sharedFrom) sizes.shared += length;
  return length;
}

/** The values of a field: none where it is absent, one where it is singular. */
function valuesOf(field: Field, message: Input): ArrayLike<unknown> {
  const value = message[field.name];
  if (value === undefined) return [];
  return field.repeated === true ? (value as ArrayLike<unknown>) : [value];
}

function unknownOf(message: Input): readonly Uint8Array[] {
  return (message["$unknown"] as readonly Uint8Array[] | undefined) ?? [];
}

function messageSize(schema: Schema, table: MessageTable, message: Input, sizes: Sizes): number {
  const slot = sizes.list.push(0) - 1;
  let total = 0;
  for (const field of table.fields) {
    const values = valuesOf(field, message);
    if (values.length > 0) total += fieldSize(schema, field, values, sizes);
  }
  for (const run of unknownOf(message)) total += sizeOfRaw(run.length, sizes);
  sizes.list[slot] = total;
  return total;
}

function fieldSize(schema: Schema, field: Field, values: ArrayLike<unknown>, sizes: Sizes): number {
  const tag = varintSize(field.number * 8);
  if (field.packed) {
    const slot = sizes.list.push(0) - 1;
    const length = numbersSize(field, values);
    sizes.list[slot] = length;
    if (isFloats(field, values)) sizeOfRaw(length, sizes);
    return tag + varintSize(length) + length;
  }
  let total = tag * values.length;
  if (field.type !== "message" && wireType(field) !== wire.bytes) {
    return total + numbersSize(field, values);
  }
  for (let index = 0; index < values.length; index += 1) {
    const length = lengthOf(schema, field, values[index], sizes);
    total += varintSize(length) + length;
  }
  return total;
}

function lengthOf(schema: Schema, field: Field, value: unknown, sizes: Sizes): number {
  if (field.type === "message") {
    return messageSize(schema, fieldMessage(schema, field), value as Input, sizes);
  }
  return sizeOfRaw(contentOf(field, value).length, sizes);
}

function contentOf(field: Field, value: unknown): Uint8Array {
  if (field.type === "bytes" && value instanceof Uint8Array) return value;
  if (field.type === "string" && typeof value === "string") return encoder.encode(value);
  throw usageError(`field ${field.name} must be ${field.type}`, { got: typeof value });
}

function numbersSize(field: Field, values: ArrayLike<unknown>): number {
  const type = wireType(field);
  if (type === wire.fixed32) return 4 * values.length;
  if (type === wire.fixed64) return 8 * values.length;
  let total = 0;
  for (let index = 0; index < values.length; index += 1) {
    total += varintSize(integerOf(field, values[index]));
  }
  return total;
}

/** The integer that stands for a value on the wire; negative ones take 10 bytes. */
function integerOf(field: Field, value: unknown): number | bigint {
  if (typeof value === "bigint") return value;
  if (typeof value === "boolean") return value ? 1 : 0;
  const number = typeof value === "string" ? field.values?.byName.get(value) : value;
  if (typeof number === "number" && Number.isSafeInteger(number)) return number;
  throw usageError(`field ${field.name} must be ${field.enum ?? field.type}`, {
    got: String(value),
  });
}

function varintSize(value: number | bigint): number {
  if (value < 0) return 10;
  let rest = Number(value);
  if (typeof value === "bigint" && value > 0x1f_ffff_ffff_ffffn) {
    return Math.ceil(value.toString(2).length / 7);
  }
  let size = 1;
  while (rest >= 128) {
    rest = Math.floor(rest / 128);
    size += 1;
  }
  return size;
}

function writeVarint(writer: Writer, value: number | bigint): void {
  if (typeof value === "number" && value >= 0 && value < 2 ** 31) {
    let rest = value;
    while (rest >= 128) {
      writer.bytes[writer.pos++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    writer.bytes[writer.pos++] = rest;
    return;
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest >= 128n) {
    writer.bytes[writer.pos++] = Number(rest & 127n) | 128;
    rest >>= 7n;
  }
  writer.bytes[writer.pos++] = Number(rest);
}

function writeMessage(
  schema: Schema,
  table: MessageTable,
  message: Input,
  sizes: Sizes,
  writer: Writer,
): void {
  sizes.next += 1;
  for (const field of table.fields) {
    const values = valuesOf(field, message);
    if (values.length === 0) continue;
    if (field.packed) writePacked(field, values, sizes, writer);
    else writeValues(schema, field, values, sizes, writer);
  }
  for (const run of unknownOf(message)) writeRaw(writer, run);
}

function writePacked(field: Field, values: ArrayLike<unknown>, sizes: Sizes, writer: Writer): void {
  writeVarint(writer, field.number * 8 + wire.bytes);
  writeVarint(writer, sizes.list[sizes.next++] ?? 0);
  if (isFloats(field, values)) {
    writeRaw(writer, bytesOf(values));
    return;
  }
  for (let index = 0; index < values.length; index += 1) writeNumber(field, values[index], writer);
}

function writeValues(
  schema: Schema,
  field: Field,
  values: ArrayLike<unknown>,
  sizes: Sizes,
  writer: Writer,
): void {
  const tag = field.number * 8 + wireType(field);
  for (let index = 0; index < values.length; index += 1) {
    writeVarint(writer, tag);
    const value = values[index];
    if (field.type === "message") {
      writeVarint(writer, sizes.list[sizes.next] ?? 0);
      writeMessage(schema, fieldMessage(schema, field), value as Input, sizes, writer);
    } else if (wireType(field) === wire.bytes) {
      const bytes = contentOf(field, value);
      writeVarint(writer, bytes.length);
      writeRaw(writer, bytes);
    } else writeNumber(field, value, writer);
  }
}

function writeNumber(field: Field, value: unknown, writer: Writer): void {
  if (field.type === "float") {
    writer.view.setFloat32(writer.pos, Number(value), true);
    writer.pos += 4;
  } else if (field.type === "double") {
    writer.view.setFloat64(writer.pos, Number(value), true);
    writer.pos += 8;
  } else writeVarint(writer, integerOf(field, value));
}

/** True where a packed field's numbers lie in memory as they do in the file. */
function isFloats(
  { type }: Field,
  values: ArrayLike<unknown>,
): values is Float32Array | Float64Array {
  return values instanceof (type === "float" ? Float32Array : Float64Array);
}

function writeRaw(writer: Writer, bytes: Uint8Array): void {
  if (bytes.length >= sharedFrom) {
    endChunk(writer);
    writer.chunks.push(bytes);
    return;
  }
  writer.bytes.set(bytes, writer.pos);
  writer.pos += bytes.length;
}

function endChunk(writer: Writer): void {
  if (writer.pos > writer.start)
    writer.chunks.push(writer.bytes.subarray(writer.start, writer.pos));
  writer.start = writer.pos;
}
