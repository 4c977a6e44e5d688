/**
 * Random access to bytes that need not fit in memory: a file in Node, a Blob in a browser, an array in tests.
 */
import { inputError } from "../error.ts";

export type ByteSource = {
  /** For messages: the path. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes at `offset`. Use `readWithin` for numbers that a file supplied. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
};

export function sourceOf(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
  };
}

/** The bytes, after a check that the range lies within the source: nothing is allocated for a false claim. */
export async function readWithin(
  source: ByteSource,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const isRange =
    Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!isRange || offset + length > source.size) {
    throw inputError("the file ends too early", {
      where: source.name,
      expected: `${length} bytes at ${offset}`,
      got: `a file of ${source.size} bytes`,
    });
  }
  return await source.read(offset, length);
}
