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

const blockBytes = 16_384;
const keptBlocks = 64;

/**
 * The same source behind 1 MiB of recently used blocks, for walks over many small pieces. Reads of more
 * than a block go to the source itself.
 */
export function cachedSource(source: ByteSource): ByteSource {
  const blocks = new Map<number, Uint8Array>();
  const block = async (index: number): Promise<Uint8Array> => {
    const held = blocks.get(index);
    if (held !== undefined) return held;
    const start = index * blockBytes;
    const bytes = await source.read(start, Math.min(blockBytes, source.size - start));
    const [oldest] = blocks.keys();
    if (blocks.size >= keptBlocks && oldest !== undefined) blocks.delete(oldest);
    blocks.set(index, bytes);
    return bytes;
  };
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const first = Math.floor(offset / blockBytes);
    const inside = offset - first * blockBytes;
    const isInOne = inside + length <= blockBytes && offset + length <= source.size;
    if (!isInOne || length === 0) return await source.read(offset, length);
    return (await block(first)).subarray(inside, inside + length);
  };
  return { name: source.name, size: source.size, read };
}
