/**
 * Little-endian bytes of the chip's files: arrays of 32-bit values in and out, and the errors that a damaged
 * file gives. No file is read here; bytes come with a name for messages.
 */
import { type ErrorFields, type InlayError, inputError } from "../../../error.ts";
import { bytesOf } from "../../../tensor/chunks.ts";

/** A file's content; the name is for messages. */
export type NamedBytes = { readonly name: string; readonly bytes: Uint8Array };

/** A DataView of exactly these bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The values as little-endian int32. Each must be an integer in its range. */
export function int32Bytes(values: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = viewOf(bytes);
  for (let index = 0; index < values.length; index++)
    view.setInt32(index * 4, values[index] ?? 0, true);
  return bytes;
}

/** `count` int32 from `offset` on. The range is checked before anything is allocated. */
export function readInt32s(file: NamedBytes, offset: number, count: number): Int32Array {
  checkRange(file, offset, count * 4);
  const view = viewOf(file.bytes);
  const values = new Int32Array(count);
  for (let index = 0; index < count; index++)
    values[index] = view.getInt32(offset + index * 4, true);
  return values;
}

/** `count` float32 from `offset` on, not-a-numbers included. */
export function readFloat32s(file: NamedBytes, offset: number, count: number): Float32Array {
  checkRange(file, offset, count * 4);
  const values = new Float32Array(count);
  bytesOf(values).set(file.bytes.subarray(offset, offset + count * 4));
  return values;
}

/** `length` bytes from `offset` on must lie within the file. */
export function checkRange(file: NamedBytes, offset: number, length: number): void {
  const isRange =
    Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (isRange && offset + length <= file.bytes.length) return;
  throw damaged(file, offset, "the file ends too early", {
    expected: `${length} bytes`,
    got: `${Math.max(0, file.bytes.length - offset)} left of ${file.bytes.length}`,
  });
}

/** The file must have exactly this length. */
export function checkLength(file: NamedBytes, expected: number, why: string): void {
  if (file.bytes.length === expected) return;
  throw inputError("the file has the wrong length", {
    where: file.name,
    expected: `${expected} bytes (${why})`,
    got: `${file.bytes.length}`,
    hint: "Was it copied whole, and does it belong to this network?",
  });
}

/** An error at a byte of a file: `chip.img:40: ...`. */
export function damaged(
  file: NamedBytes,
  offset: number,
  what: string,
  facts: Pick<ErrorFields, "expected" | "got" | "hint"> = {},
): InlayError {
  return inputError(what, { where: `${file.name}:${offset}`, ...facts });
}
