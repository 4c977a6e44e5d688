/**
 * A bounds-checked cursor over protobuf bytes: varints, fixed numbers, lengths, groups skipped, and
 * the budgets that keep a hostile file small. Knows the wire, not the schema.
 */
import { type InlayError, inputError } from "../error.ts";

export type Limits = {
  /** Messages (and groups) inside each other. */
  readonly depth: number;
  /** Messages, strings, byte fields and runs of unknown fields in the whole file. */
  readonly objects: number;
  /** Repeated numbers, other than fixed-width bulk ones, in the whole file. */
  readonly numbers: number;
};

export const defaultLimits: Limits = { depth: 100, objects: 1_000_000, numbers: 32_000_000 };

export type Reader = {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly file: string;
  readonly limits: Limits;
  /** Names of the fields that lead here. */
  readonly path: string[];
  pos: number;
  objects: number;
  numbers: number;
  /** The last varint: low and high 32 bits. */
  low: number;
  high: number;
};

export const wire = { varint: 0, fixed64: 1, bytes: 2, start: 3, end: 4, fixed32: 5 } as const;

export function openReader(source: Uint8Array, file: string, limits: Partial<Limits>): Reader {
  // A plain view: subclasses (Node's Buffer) slice and print differently.
  const bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  return {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    file,
    limits: { ...defaultLimits, ...limits },
    path: [],
    pos: 0,
    objects: 0,
    numbers: 0,
    low: 0,
    high: 0,
  };
}

/** An error at a byte offset, with the path of the field in hand. */
export function damage(
  reader: Reader,
  what: string,
  offset: number,
  fields: { readonly expected?: string; readonly got?: string; readonly hint?: string } = {},
): InlayError {
  const path = reader.path.length > 12 ? ["...", ...reader.path.slice(-12)] : reader.path;
  return inputError(what, {
    where: `${reader.file}: byte ${offset}`,
    node: path.length === 0 ? undefined : path.join("."),
    ...fields,
  });
}

/** Counts `count` objects against the file's budget. */
export function spendObjects(reader: Reader, count: number): void {
  reader.objects += count;
  if (reader.objects > reader.limits.objects) {
    throw damage(reader, "too many messages and strings", reader.pos, {
      expected: `at most ${reader.limits.objects}`,
    });
  }
}

export function spendNumbers(reader: Reader, count: number): void {
  reader.numbers += count;
  if (reader.numbers > reader.limits.numbers) {
    throw damage(reader, "too many repeated numbers", reader.pos, {
      expected: `at most ${reader.limits.numbers}`,
    });
  }
}

/** Reads a varint of at most 10 bytes and 64 bits into `low` and `high`; `end` bounds it. */
export function readVarint(reader: Reader, end: number): void {
  const { bytes } = reader;
  const start = reader.pos;
  let pos = start;
  let low = 0;
  let high = 0;
  for (let shift = 0; ; shift += 7) {
    if (pos >= end) throw damage(reader, "the file ends inside a number", start);
    if (shift > 63) throw damage(reader, "a number is longer than 10 bytes", start);
    const byte = bytes[pos] ?? 0;
    pos += 1;
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high |= bits >> 4;
    } else high |= bits << (shift - 32);
    if (byte < 0x80) break;
  }
  reader.pos = pos;
  reader.low = low >>> 0;
  reader.high = high >>> 0;
}

/** A length or tag: a varint that must fit 32 bits. */
export function readUint32(reader: Reader, end: number): number {
  const start = reader.pos;
  readVarint(reader, end);
  if (reader.high !== 0) throw damage(reader, "a tag or length is out of range", start);
  return reader.low;
}

/** Reads a length and gives the end of the field, which lies inside `end`. */
export function readLength(reader: Reader, end: number): number {
  const start = reader.pos;
  const length = readUint32(reader, end);
  if (length > end - reader.pos) {
    throw damage(reader, "a field reaches beyond its end: the file is cut off or damaged", start, {
      expected: `at most ${end - reader.pos} bytes`,
      got: `${length}`,
    });
  }
  return reader.pos + length;
}

/** Moves on by `count` bytes. */
export function advance(reader: Reader, count: number, end: number): void {
  if (count > end - reader.pos) throw damage(reader, "the file ends inside a value", reader.pos);
  reader.pos += count;
}

/** The last varint as a signed 64-bit number. Throws beyond 2^53. */
export function signedValue(reader: Reader, offset: number): number {
  return safe(reader, (reader.high | 0) * 2 ** 32 + reader.low, offset);
}

/** The last varint as an unsigned 64-bit number. Throws beyond 2^53. */
export function unsignedValue(reader: Reader, offset: number): number {
  return safe(reader, reader.high * 2 ** 32 + reader.low, offset);
}

function safe(reader: Reader, value: number, offset: number): number {
  if (Number.isSafeInteger(value)) return value;
  throw damage(reader, "a 64-bit integer is too large", offset, { expected: "at most 2^53 - 1" });
}

/** Skips the value behind a tag; groups are followed to their end, without recursion. */
export function skipValue(reader: Reader, tag: number, offset: number, end: number): void {
  const open: number[] = [];
  let number = tag >>> 3;
  let type = tag & 7;
  for (;;) {
    if (type === wire.start) {
      open.push(number);
      if (reader.path.length + open.length > reader.limits.depth) throw tooDeep(reader, reader.pos);
    } else if (type === wire.end) {
      if (open.pop() !== number) throw damage(reader, "a group ends that never began", offset);
    } else skipPlain(reader, type, offset, end);
    if (open.length === 0) return;
    const next = readUint32(reader, end);
    number = next >>> 3;
    type = next & 7;
  }
}

function skipPlain(reader: Reader, type: number, offset: number, end: number): void {
  if (type === wire.varint) readVarint(reader, end);
  else if (type === wire.fixed64) advance(reader, 8, end);
  else if (type === wire.fixed32) advance(reader, 4, end);
  else if (type === wire.bytes) reader.pos = readLength(reader, end);
  else {
    throw damage(reader, "not a protobuf field", offset, {
      got: `wire type ${type}`,
      hint: "Is this the right file, and complete?",
    });
  }
}

export function tooDeep(reader: Reader, offset: number): InlayError {
  return damage(reader, "messages are nested too deep", offset, {
    expected: `at most ${reader.limits.depth}`,
  });
}
