/**
 * SHA-256 of files and of sets of files, streamed: what manifests record and what tells a recipe
 * that a step's inputs have not changed.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { basename, dirname, relative } from "node:path";
import { isFile, readError } from "./files.node.ts";
import { imageFiles } from "./image-files.node.ts";
import type { InputHash } from "./manifest.ts";
import type { ImageOptions } from "./options.ts";

/** The hash of one file. An input error where it cannot be read. */
export async function hashFile(path: string): Promise<InputHash> {
  const { sha256, bytes } = await digest(path);
  return { file: path, sha256, bytes, files: 1 };
}

/**
 * The hash of all files that an image source consists of, under the names they have below it: moving the
 * whole folder does not change it; a changed, added, renamed or removed file does.
 */
export async function hashImages(images: ImageOptions): Promise<InputHash> {
  const base = dirname(images.path);
  const lines: string[] = [];
  let bytes = 0;
  let files = 0;
  for (const path of await imageFiles(images)) {
    if (!(await isFile(path))) continue;
    const found = await digest(path);
    const name = path === images.labels ? basename(path) : relative(base, path);
    lines.push(`${name.replaceAll("\\", "/")} ${found.bytes} ${found.sha256}\n`);
    bytes += found.bytes;
    files += 1;
  }
  return { file: images.path, sha256: hashText(lines.join("")), bytes, files };
}

/** The hash of a file's content that is still in memory. */
export function hashBytes(file: string, content: Uint8Array | string): InputHash {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { file, sha256, bytes: bytes.length, files: 1 };
}

/** SHA-256 of a text's UTF-8 bytes. */
export function hashText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

async function digest(path: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      const part: Uint8Array = chunk;
      hash.update(part);
      bytes += part.length;
    }
  } catch (cause) {
    throw readError(path, cause);
  }
  return { sha256: hash.digest("hex"), bytes };
}
