/**
 * IDX files of unsigned bytes, the format of MNIST: pictures [n, h, w] and labels [n], big-endian sizes. Other
 * element types and ranks are refused.
 */
import { inputError } from "../error.ts";
import { checkPixels, type Image } from "./image.ts";

export type IdxPictures = {
  readonly count: number;
  readonly width: number;
  readonly height: number;
  /** Gray picture `index`, a view of the file's bytes. */
  readonly picture: (index: number) => Image;
};

/** True where the bytes start as an IDX file of unsigned bytes with 1 or 3 axes. */
export function isIdx(bytes: Uint8Array): boolean {
  const [a, b, type, rank] = bytes;
  return (
    a === 0 && b === 0 && type === 8 && (rank === 1 || rank === 3) && bytes.length >= 4 + rank * 4
  );
}

/** Pictures of an IDX file with three axes. The sizes must account for the file's length exactly. */
export function parseIdxPictures(bytes: Uint8Array, name: string): IdxPictures {
  const [count, height, width] = idxSizes(bytes, 3, name);
  if (count === undefined || height === undefined || width === undefined)
    throw wrongRank(bytes, 3, name);
  checkPixels(width, height, name);
  const size = width * height;
  checkLength(bytes, 16 + count * size, name);
  const picture = (index: number): Image => ({
    width,
    height,
    channels: 1,
    data: bytes.subarray(16 + index * size, 16 + (index + 1) * size),
  });
  return { count, width, height, picture };
}

/** Labels of an IDX file with one axis, a byte each. */
export function parseIdxLabels(bytes: Uint8Array, name: string): Uint8Array {
  const [count] = idxSizes(bytes, 1, name);
  if (count === undefined) throw wrongRank(bytes, 1, name);
  checkLength(bytes, 8 + count, name);
  return bytes.subarray(8);
}

function idxSizes(bytes: Uint8Array, rank: number, name: string): number[] {
  if (!isIdx(bytes) || bytes[3] !== rank) throw wrongRank(bytes, rank, name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: rank }, (_, axis) => view.getUint32(4 + axis * 4));
}

function wrongRank(bytes: Uint8Array, rank: number, name: string): Error {
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0"));
  return inputError("not the IDX file that is needed here", {
    where: name,
    expected: `${rank === 3 ? "pictures" : "labels"}: bytes 00 00 08 0${rank}`,
    got: hex.join(" "),
  });
}

function checkLength(bytes: Uint8Array, expected: number, name: string): void {
  if (bytes.length === expected) return;
  throw inputError("the IDX file's length contradicts its header", {
    where: name,
    expected: `${expected} bytes`,
    got: `${bytes.length}`,
  });
}
