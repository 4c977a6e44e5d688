/**
 * A message to protobuf bytes: fields in the order of their numbers, then the unknown ones as they
 * were read. Two passes, sizes first, so that the result is allocated once.
 */
import { usageError } from "../error.ts";
import { wireType } from "./decode.ts";
import { wire } from "./reader.ts";
import type { MessageInit, MessageName, Schema } from "./schema.ts";
import {
  type BulkArray,
  type Field,
  fieldMessage,
  type MessageTable,
  messageTable,
} from "./table.ts";

type Input = { readonly [field: string]: unknown };

/** Sizes of nested messages and packed runs, in the order in which they are written. */
type Sizes = { readonly list: number[]; next: number };

type Writer = { readonly bytes: Uint8Array; readonly view: DataView; pos: number };

const encoder = new TextEncoder();
const maxBytes = 2 ** 31 - 1;

/** The message `name` as bytes. Throws a usage error where a value does not fit its field. */
export function encode<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  message: MessageInit<S, N>,
): Uint8Array {
  const table = messageTable(schema, name);
  const sizes: Sizes = { list: [], next: 0 };
  const length = messageSize(schema, table, message as Input, sizes);
  if (length > maxBytes) throw usageError("a protobuf file holds at most 2 GiB");
  const bytes = new Uint8Array(length);
  const writer = { bytes, view: new DataView(bytes.buffer), pos: 0 };
  writeMessage(schema, table, message as Input, sizes, writer);
  return bytes;
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
  for (const run of unknownOf(message)) total += run.length;
  sizes.list[slot] = total;
  return total;
}

function fieldSize(schema: Schema, field: Field, values: ArrayLike<unknown>, sizes: Sizes): number {
  const tag = varintSize(field.number * 8);
  if (field.packed) {
    const slot = sizes.list.push(0) - 1;
    const length = numbersSize(field, values);
    sizes.list[slot] = length;
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
  return bytesOf(field, value).length;
}

function bytesOf(field: Field, value: unknown): Uint8Array {
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
  if (values instanceof Float32Array || values instanceof Float64Array) {
    const array: BulkArray = values as Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;
    writeRaw(writer, new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
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
      const bytes = bytesOf(field, value);
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

function writeRaw(writer: Writer, bytes: Uint8Array): void {
  writer.bytes.set(bytes, writer.pos);
  writer.pos += bytes.length;
}
