/**
 * Protobuf bytes to a message, as a schema says. What the schema does not name is kept as raw bytes
 * in `$unknown`. Every count and depth is bounded before anything is allocated for it.
 */
import { decodeBulk, finishBulk } from "./decode-bulk.ts";
import { decodeText } from "./decode-text.ts";
import {
  advance,
  damage,
  type Limits,
  openReader,
  type Reader,
  readLength,
  readUint32,
  readVarint,
  signedValue,
  skipValue,
  spendNumbers,
  spendObjects,
  tooDeep,
  unsignedValue,
  wire,
} from "./reader.ts";
import type { Message, MessageName, Schema } from "./schema.ts";
import {
  emptyRaw,
  type Field,
  fieldMessage,
  type MessageTable,
  messageTable,
  type Raw,
} from "./table.ts";

export type DecodeOptions = {
  /** The file's name, for errors. */
  readonly file: string;
  readonly limits?: Partial<Limits>;
};

/**
 * The message `name` in `bytes`. Byte and bulk fields may be views of `bytes`, which must not
 * change afterwards. Strings that are not UTF-8 are read as GBK. Throws an input error with file,
 * byte offset and field path.
 */
export function decode<S extends Schema, N extends MessageName<S>>(
  schema: S,
  name: N,
  bytes: Uint8Array,
  options: DecodeOptions,
): Message<S, N> {
  const reader = openReader(bytes, options.file, options.limits ?? {});
  const table = messageTable(schema, name);
  const raw = emptyRaw(table);
  decodeInto(schema, table, reader, bytes.length, raw);
  return raw as Message<S, N>;
}

/** Reads fields up to `end` into `raw`; a message that comes in two parts is merged. */
function decodeInto(
  schema: Schema,
  table: MessageTable,
  reader: Reader,
  end: number,
  raw: Raw,
): void {
  if (reader.path.length > reader.limits.depth) throw tooDeep(reader, reader.pos);
  const unknown = new Span(reader, raw);
  while (reader.pos < end) {
    const offset = reader.pos;
    const tag = readUint32(reader, end);
    if (tag >>> 3 === 0) throw damage(reader, "field number 0: not a protobuf message", offset);
    const field = table.byNumber.get(tag >>> 3);
    if (field === undefined || !fits(field, tag & 7)) {
      skipValue(reader, tag, offset, end);
      unknown.add(offset, reader.pos);
    } else decodeField(schema, field, tag & 7, reader, end, raw);
  }
  unknown.flush();
  for (const field of table.bulk) finishBulk(field, raw);
}

/** Neighbouring unknown fields as one view. */
class Span {
  private readonly reader: Reader;
  private readonly raw: Raw;
  private start = 0;
  private end = 0;

  constructor(reader: Reader, raw: Raw) {
    this.reader = reader;
    this.raw = raw;
  }

  add(start: number, end: number): void {
    if (start !== this.end) {
      this.flush();
      this.start = start;
    }
    this.end = end;
  }

  flush(): void {
    if (this.end === this.start) return;
    spendObjects(this.reader, 1);
    const view = this.reader.bytes.subarray(this.start, this.end);
    if (this.raw.$unknown === undefined) this.raw.$unknown = [view];
    else this.raw.$unknown.push(view);
    this.start = this.end;
  }
}

const wireTypes: { readonly [type: string]: number | undefined } = {
  float: wire.fixed32,
  double: wire.fixed64,
  string: wire.bytes,
  bytes: wire.bytes,
  message: wire.bytes,
};

export function wireType(field: Field): number {
  return wireTypes[field.type] ?? wire.varint;
}

/** True where the schema's field can be read from this wire type. */
function fits(field: Field, type: number): boolean {
  const own = wireType(field);
  return type === own || (type === wire.bytes && own !== wire.bytes && field.repeated === true);
}

function decodeField(
  schema: Schema,
  field: Field,
  type: number,
  reader: Reader,
  end: number,
  raw: Raw,
): void {
  reader.path.push(field.name);
  if (field.type === "message") decodeMessage(schema, field, reader, end, raw);
  else if (field.bulk) decodeBulk(field, type === wire.bytes, reader, end, raw);
  else if (field.repeated !== true) raw[field.name] = decodeScalar(field, reader, end);
  else {
    const list = raw[field.name] as unknown[];
    if (type !== wireType(field)) {
      const stop = readLength(reader, end);
      while (reader.pos < stop) {
        spendNumbers(reader, 1);
        list.push(decodeScalar(field, reader, stop));
      }
    } else {
      spendNumbers(reader, 1);
      list.push(decodeScalar(field, reader, end));
    }
  }
  reader.path.pop();
}

function decodeMessage(schema: Schema, field: Field, reader: Reader, end: number, raw: Raw): void {
  const stop = readLength(reader, end);
  spendObjects(reader, 1);
  const table = fieldMessage(schema, field);
  const before = field.repeated === true ? undefined : (raw[field.name] as Raw | undefined);
  const inner = before ?? emptyRaw(table);
  decodeInto(schema, table, reader, stop, inner);
  if (field.repeated === true) (raw[field.name] as Raw[]).push(inner);
  else raw[field.name] = inner;
}

function decodeScalar(field: Field, reader: Reader, end: number): unknown {
  const offset = reader.pos;
  switch (field.type) {
    case "float":
      advance(reader, 4, end);
      return reader.view.getFloat32(offset, true);
    case "double":
      advance(reader, 8, end);
      return reader.view.getFloat64(offset, true);
    case "string":
      return decodeText(decodeBytes(reader, end));
    case "bytes":
      return decodeBytes(reader, end);
    default:
      readVarint(reader, end);
      return integer(field, reader, offset);
  }
}

function decodeBytes(reader: Reader, end: number): Uint8Array {
  spendObjects(reader, 1);
  const stop = readLength(reader, end);
  const bytes = reader.bytes.subarray(reader.pos, stop);
  reader.pos = stop;
  return bytes;
}

/** The varint just read, as the field's type wants it. */
function integer(field: Field, reader: Reader, offset: number): unknown {
  switch (field.type) {
    case "bool":
      return reader.low !== 0 || reader.high !== 0;
    case "uint32":
      return reader.low;
    case "int64":
      return signedValue(reader, offset);
    case "uint64":
      return unsignedValue(reader, offset);
    case "enum":
      return field.values?.byNumber.get(reader.low | 0) ?? reader.low | 0;
    default:
      return reader.low | 0;
  }
}
