/**
 * Repeated numbers read straight into typed arrays, from packed chunks and single values alike. A
 * field that is one aligned packed chunk becomes a view of the file, otherwise one copy. Assumes a
 * little-endian machine, as all that run JavaScript engines are.
 */
import {
  advance,
  damage,
  type Reader,
  readLength,
  readVarint,
  spendNumbers,
  wire,
} from "./reader.ts";
import { type BulkArray, bulkArray, type Field, type Raw } from "./table.ts";

/** An array that may have room behind its `length` values until the message ends. */
type Growing = { readonly data: BulkArray; readonly length: number };

const growing = new WeakMap<Raw, Map<string, Growing>>();

/** Appends one packed chunk, or a run of single values, to the bulk field of `raw`. */
export function decodeBulk(
  field: Field,
  packed: boolean,
  reader: Reader,
  end: number,
  raw: Raw,
): void {
  const width = field.type === "float" ? 4 : field.type === "double" ? 8 : 0;
  const stop = packed ? readLength(reader, end) : undefined;
  if (width === 0) decodeVarints(field, stop, reader, end, raw);
  else if (stop === undefined) decodeRun(field, width, reader, end, raw);
  else decodeChunk(field, width, stop, reader, raw);
}

function decodeChunk(field: Field, width: number, stop: number, reader: Reader, raw: Raw): void {
  const start = reader.pos;
  if ((stop - start) % width !== 0) {
    throw damage(reader, "packed numbers end inside a number", start);
  }
  reader.pos = stop;
  const bytes = reader.bytes.subarray(start, stop);
  const current = raw[field.name] as BulkArray;
  if (current.length === 0 && growing.get(raw)?.get(field.name) === undefined) {
    raw[field.name] = fixedArray(field, bytes);
    return;
  }
  const { data, length } = reserve(field, bytes.length / width, raw);
  bytesOf(data).set(bytes, length * width);
}

/** Single values that follow each other, each behind its tag; the first tag is read already. */
function decodeRun(field: Field, width: number, reader: Reader, end: number, raw: Raw): void {
  const { bytes, pos: start } = reader;
  advance(reader, width, end);
  const tag = tagBytes(field);
  const stride = tag.length + width;
  while (reader.pos + stride <= end && startsWith(bytes, tag, reader.pos)) reader.pos += stride;
  const count = (reader.pos - start + tag.length) / stride;
  const { data, length } = reserve(field, count, raw);
  const target = bytesOf(data);
  for (let index = 0; index < count; index += 1) {
    const [from, to] = [start + index * stride, (length + index) * width];
    for (let byte = 0; byte < width; byte += 1) target[to + byte] = bytes[from + byte] ?? 0;
  }
}

/** The field's tag for single values, in its shortest form. */
function tagBytes(field: Field): readonly number[] {
  const bytes: number[] = [];
  let rest = field.number * 8 + (field.type === "float" ? wire.fixed32 : wire.fixed64);
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function startsWith(bytes: Uint8Array, tag: readonly number[], at: number): boolean {
  for (let index = 0; index < tag.length; index += 1) {
    if (bytes[at + index] !== tag[index]) return false;
  }
  return true;
}

function bytesOf(data: BulkArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The bytes as floats or doubles: a view where they are aligned. */
function fixedArray(field: Field, bytes: Uint8Array): Float32Array | Float64Array {
  const width = field.type === "float" ? 4 : 8;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const count = bytes.length / width;
  return field.type === "float"
    ? new Float32Array(aligned.buffer, aligned.byteOffset, count)
    : new Float64Array(aligned.buffer, aligned.byteOffset, count);
}

/** Reads one varint, or as many as lie before `stop`. */
function decodeVarints(
  field: Field,
  stop: number | undefined,
  reader: Reader,
  end: number,
  raw: Raw,
): void {
  const count = stop === undefined ? 1 : countVarints(reader.bytes, reader.pos, stop);
  spendNumbers(reader, count);
  const { data, length } = reserve(field, count, raw);
  const words = new Uint32Array(data.buffer, data.byteOffset, data.byteLength >>> 2);
  const wide = data.BYTES_PER_ELEMENT === 8;
  for (let index = length; index < length + count; index += 1) {
    readVarint(reader, stop ?? end);
    if (wide) {
      words[2 * index] = reader.low;
      words[2 * index + 1] = reader.high;
    } else words[index] = reader.low;
  }
  if (stop !== undefined && reader.pos !== stop) {
    throw damage(reader, "packed numbers end inside a number", reader.pos);
  }
}

function countVarints(bytes: Uint8Array, start: number, stop: number): number {
  let count = 0;
  for (let pos = start; pos < stop; pos += 1) if ((bytes[pos] ?? 0) < 0x80) count += 1;
  return count;
}

/** Makes room for `count` more values; gives the array and the place where they go. */
function reserve(field: Field, count: number, raw: Raw): Growing {
  let fields = growing.get(raw);
  if (fields === undefined) {
    fields = new Map();
    growing.set(raw, fields);
  }
  const current = raw[field.name] as BulkArray;
  const before = fields.get(field.name) ?? { data: current, length: current.length };
  const need = before.length + count;
  let data = before.data;
  if (need > data.length || !fields.has(field.name)) {
    data = bulkArray(field, before.length === 0 ? count : Math.max(need, 2 * before.length));
    new Uint8Array(data.buffer).set(
      new Uint8Array(before.data.buffer, before.data.byteOffset, before.data.byteLength).subarray(
        0,
        before.length * data.BYTES_PER_ELEMENT,
      ),
    );
  }
  fields.set(field.name, { data, length: need });
  return { data, length: before.length };
}

/** Trims the array to its values once the message is read. */
export function finishBulk(field: Field, raw: Raw): void {
  const state = growing.get(raw)?.get(field.name);
  if (state === undefined) return;
  raw[field.name] = state.data.subarray(0, state.length);
  growing.get(raw)?.delete(field.name);
}
