/**
 * Integers of 1 to 32 bits in a row of bytes without gaps, as a file image holds few-bit weights. Little-endian bit
 * order: the first integer takes the lowest bits of the first byte; the last byte is filled up with zeros.
 */
import { inputError, usageError } from "../error.ts";

export type PackedFormat = {
  /** 1 to 32. */
  readonly bits: number;
  /** Two's complement. */
  readonly signed: boolean;
};

/** Bytes that `count` integers take: `3 of 3 bits -> 2`. */
export function packedBytes(count: number, bits: number): number {
  return Math.ceil((count * bits) / 8);
}

/**
 * Throws where a value is no integer of the format.
 *
 * 3 bits, signed: `[1, -1, 2] -> 0b10_111_001, 0`; 12 bits, unsigned: `[0xabc, 0xdef] -> bc fa de`.
 */
export function packBits(values: ArrayLike<number>, format: PackedFormat): Uint8Array {
  const { low, high } = rangeOf(format);
  const bytes = new Uint8Array(packedBytes(values.length, format.bits));
  for (let index = 0; index < values.length; index += 1) {
    const value = values[index]!;
    if (!(Number.isInteger(value) && value >= low && value <= high)) {
      throw usageError("a value does not fit its bits", {
        expected: `an integer of ${low}..${high}`,
        got: `${value} at ${index}`,
      });
    }
    putBits(bytes, index * format.bits, format.bits, value);
  }
  return bytes;
}

/**
 * The `count` integers that `packBits` put into `bytes`: `Int32Array` values, or `Uint32Array` where unsigned. Throws
 * where the number of bytes is another than they take, or where the bits that fill up the last byte are not 0.
 */
export function unpackBits(
  bytes: Uint8Array,
  count: number,
  format: PackedFormat,
): Int32Array | Uint32Array {
  rangeOf(format);
  const { bits, signed } = format;
  checkLength(bytes, count, bits);
  const values = signed ? new Int32Array(count) : new Uint32Array(count);
  const unused = 32 - bits;
  for (let index = 0; index < count; index += 1) {
    const low = takeBits(bytes, index * bits, bits);
    values[index] = signed ? (low << unused) >> unused : low >>> 0;
  }
  return values;
}

function rangeOf({ bits, signed }: PackedFormat): { readonly low: number; readonly high: number } {
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= 32)) {
    throw usageError("packed bits are out of range", { expected: "1 to 32", got: `${bits}` });
  }
  const low = signed ? -(2 ** (bits - 1)) : 0;
  return { low, high: low + 2 ** bits - 1 };
}

function checkLength(bytes: Uint8Array, count: number, bits: number): void {
  if (!(Number.isSafeInteger(count) && count >= 0)) {
    throw usageError("a count of packed integers must not be negative", { got: `${count}` });
  }
  const expected = packedBytes(count, bits);
  if (bytes.length !== expected) {
    throw inputError("packed integers have another length", {
      expected: `${expected} bytes for ${count} of ${bits} bits`,
      got: `${bytes.length}`,
    });
  }
  const used = (count * bits) % 8;
  if (used > 0 && bytes[expected - 1]! >> used !== 0) {
    throw inputError("the last byte of packed integers is not filled up with zeros");
  }
}

function putBits(bytes: Uint8Array, start: number, bits: number, value: number): void {
  let left = bits;
  let rest = value;
  for (let bit = start; left > 0; ) {
    const offset = bit % 8;
    const taken = Math.min(8 - offset, left);
    bytes[(bit - offset) / 8]! |= (rest & (2 ** taken - 1)) << offset;
    rest >>>= taken;
    left -= taken;
    bit += taken;
  }
}

/** As a 32-bit pattern, its upper bits 0. */
function takeBits(bytes: Uint8Array, start: number, bits: number): number {
  let value = 0;
  for (let done = 0; done < bits; ) {
    const offset = (start + done) % 8;
    const taken = Math.min(8 - offset, bits - done);
    const part = (bytes[(start + done - offset) / 8]! >> offset) & (2 ** taken - 1);
    value |= part << done;
    done += taken;
  }
  return value;
}
