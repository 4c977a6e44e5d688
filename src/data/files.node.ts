/**
 * Bounded file access in Node for the readers of this folder: whole small files, ranges of large ones, gzip with a
 * limit. Every failure of the file system becomes an error that names the path.
 */
import { type Dirent, readdirSync, type Stats, statSync } from "node:fs";
import { type FileHandle, open, readFile } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { inputError, usageError } from "../error.ts";
import type { ByteSource } from "./byte-source.ts";

/** Largest picture file. */
const maxPictureBytes = 2 ** 28;
/** Largest file that is held in memory as a whole, after decompression too. */
const maxWholeBytes = 2 ** 29;

/** The state of the path, or undefined where nothing is there. */
export function statOrNothing(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    throw fileError(path, cause);
  }
}

/** The folder's entries in code-unit order of their names, the same on every system. */
export function sortedEntries(folder: string): Dirent[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  } catch (cause) {
    throw fileError(folder, cause);
  }
}

/** A whole picture file. */
export function readPictureFile(path: string): Promise<Uint8Array> {
  return readBounded(path, maxPictureBytes);
}

/** A whole data file, decompressed if it is gzip; at most 512 MiB either way. */
export async function readDataFile(path: string): Promise<Uint8Array> {
  const bytes = await readBounded(path, maxWholeBytes);
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  return isGzip ? plain(await gunzipBounded(bytes, path)) : bytes;
}

/**
 * Random access to a file. It is opened for each read and closed again: nothing has to be closed by the
 * user of a data set, and a read costs some 0.1 ms more.
 */
export function openSource(path: string): ByteSource {
  const stats = statOrNothing(path);
  if (stats === undefined) throw usageError("no such file", { where: path });
  return {
    name: path,
    size: stats.size,
    read: (offset, length) => withSource(path, (source) => source.read(offset, length)),
  };
}

/** Random access to a file that stays open while `use` runs: for many small reads. */
export async function withSource<T>(
  path: string,
  use: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const { name, size } = openSource(path);
  const file = await open(path, "r").catch((cause: unknown) => {
    throw fileError(path, cause);
  });
  try {
    return await use({
      name,
      size,
      read: (offset, length) => readRange(file, path, offset, length),
    });
  } finally {
    await file.close();
  }
}

async function readRange(
  file: FileHandle,
  path: string,
  offset: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await file
      .read(bytes, done, length - done, offset + done)
      .catch((cause: unknown) => {
        throw fileError(path, cause);
      });
    if (bytesRead === 0) {
      throw inputError("the file became shorter while it was read", { where: path });
    }
    done += bytesRead;
  }
  return bytes;
}

/** Node's Buffer is a Uint8Array that slices differently; it stays in here. */
function plain(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

async function readBounded(path: string, limit: number): Promise<Uint8Array> {
  const size = statOrNothing(path)?.size ?? 0;
  if (size > limit) {
    throw inputError("the file is too large", {
      where: path,
      expected: `at most ${limit} bytes`,
      got: `${size}`,
    });
  }
  try {
    return plain(await readFile(path));
  } catch (cause) {
    throw fileError(path, cause);
  }
}

const gunzipAsync = promisify(gunzip) as unknown as (
  bytes: Uint8Array,
  options: { readonly maxOutputLength: number },
) => Promise<Uint8Array>;

async function gunzipBounded(bytes: Uint8Array, path: string): Promise<Uint8Array> {
  try {
    return await gunzipAsync(bytes, { maxOutputLength: maxWholeBytes });
  } catch (cause) {
    const isBomb = cause instanceof RangeError;
    throw inputError(isBomb ? "the gzip file is too large" : "the gzip file is damaged", {
      where: path,
      expected: isBomb ? `at most ${maxWholeBytes} bytes` : undefined,
      got: isBomb ? "more" : String(cause instanceof Error ? cause.message : cause),
    });
  }
}

function fileError(path: string, cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  if (code === "ENOENT") return usageError("no such file", { where: path });
  const got = cause instanceof Error ? cause.message : String(cause);
  return inputError("cannot read the file", { where: path, got });
}
