/**
 * A file's content as pieces one behind the other. A piece may be a view of a tensor: content of that kind takes no
 * memory of its own, which matters where one network becomes several large files. Nothing is read or written here.
 */

/** In order. Whoever holds them must not change the memory behind. */
export type Chunks = readonly Uint8Array[];

/** Bytes of all pieces together. */
export function chunksLength(chunks: Chunks): number {
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** One array of its own out of the pieces, in order. */
export function joinBytes(chunks: Chunks): Uint8Array {
  const joined = new Uint8Array(chunksLength(chunks));
  let at = 0;
  for (const chunk of chunks) {
    joined.set(chunk, at);
    at += chunk.length;
  }
  return joined;
}

/** The memory of an array as bytes, no copy: little-endian, as all machines are that run JavaScript engines. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
