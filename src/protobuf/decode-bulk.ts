/**
 * Repeated numbers read straight into typed arrays, from packed chunks and single values alike. A
 * field that is one aligned packed chunk becomes a view of the file, otherwise one copy. Assumes a
 * little-endian machine, as all that run JavaScript engines are.
 */
import { advance, damage, type Reader, readLength, readVarint, spendNumbers } from "./reader.ts";
import { type BulkArray, bulkArray, type Field, type Raw } from "./table.ts";

/** An array that may have room behind its `length` values until the message ends. */
type Growing = { readonly data: BulkArray; readonly length: number };

const growing = new WeakMap<Raw, Map<string, Growing>>();

/** Appends one value, or one packed chunk of them, to the bulk field of `raw`. */
export function decodeBulk(
  field: Field,
  packed: boolean,
  reader: Reader,
  end: number,
  raw: Raw,
): void {
  const width = field.type === "float" ? 4 : field.type === "double" ? 8 : 0;
  const start = packed ? readLengthAt(reader, end) : { pos: reader.pos, stop: reader.pos + width };
  if (width === 0) decodeVarints(field, packed ? start.stop : undefined, reader, end, raw);
  else decodeFixed(field, width, start.stop, reader, end, raw);
}

function readLengthAt(
  reader: Reader,
  end: number,
): { readonly pos: number; readonly stop: number } {
  const stop = readLength(reader, end);
  return { pos: reader.pos, stop };
}

function decodeFixed(
  field: Field,
  width: number,
  stop: number,
  reader: Reader,
  end: number,
  raw: Raw,
): void {
  const start = reader.pos;
  advance(reader, stop - start, end);
  if ((stop - start) % width !== 0) {
    throw damage(reader, "packed numbers end inside a number", start);
  }
  const count = (stop - start) / width;
  const current = raw[field.name] as BulkArray;
  if (current.length === 0 && growing.get(raw)?.get(field.name) === undefined) {
    raw[field.name] = fixedArray(field, reader.bytes.subarray(start, stop));
    return;
  }
  const { data, length } = reserve(field, count, raw);
  const target = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  target.set(reader.bytes.subarray(start, stop), length * width);
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
