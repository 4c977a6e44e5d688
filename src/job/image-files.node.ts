/**
 * Which files an image source consists of: for hashes, not for reading pictures (`data/` does that).
 * Lists lead to the files that they name, folders to what lies in them, IDX to its labels.
 */
import type { Dirent } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, resolve } from "node:path";
import { isIdx } from "../data/idx.ts";
import { parseList } from "../data/list.ts";
import { isPictureFile } from "../data/open-folder.node.ts";
import { decodeText, maxTextBytes } from "../data/text.ts";
import { readError, readFileBounded } from "./files.node.ts";
import type { ImageOptions } from "./options.ts";

/** Folders are searched this deep, as deep as pictures are looked for. */
const maxDepth = 7;

/**
 * The files in a fixed order, with repetitions removed. A file that a list names but that is missing is
 * left out here: opening the list reports it.
 */
export async function imageFiles(images: ImageOptions): Promise<readonly string[]> {
  const { path, labels } = images;
  const own = (await isFolder(path)) ? await filesBelow(path, maxDepth) : await fromFile(images);
  return [...new Set(labels === undefined ? own : [...own, labels])];
}

async function fromFile({ path, root }: ImageOptions): Promise<readonly string[]> {
  if (isPictureFile(path) || /\.(mdb|bin|bin\.gz)$/i.test(path)) return [path];
  if (await startsAsData(path)) return [path, ...(await idxLabels(path))];
  const text = decodeText(await readFileBounded(path, maxTextBytes), path);
  const base = resolve(root ?? dirname(path));
  const named = parseList(text, path).map(({ file }) => {
    const slashed = file.replaceAll("\\", "/");
    return isAbsolute(slashed) ? slashed : join(base, slashed);
  });
  return [path, ...named];
}

/** IDX, or gzip, which only binary formats come in. */
async function startsAsData(path: string): Promise<boolean> {
  const head = new Uint8Array(16);
  const file = await open(path, "r").catch((cause: unknown) => {
    throw readError(path, cause);
  });
  try {
    await file.read(head, 0, head.length, 0);
  } finally {
    await file.close();
  }
  return isIdx(head) || (head[0] === 0x1f && head[1] === 0x8b);
}

async function idxLabels(path: string): Promise<readonly string[]> {
  const start = basename(path).split("images")[0] ?? "";
  const names = (await entries(dirname(path))).map(({ name }) => name);
  const found = names.filter((name) => name.startsWith(`${start}labels`));
  return found.map((name) => join(dirname(path), name));
}

async function filesBelow(folder: string, depth: number): Promise<readonly string[]> {
  const files: string[] = [];
  for (const entry of await entries(folder)) {
    if (entry.name.startsWith(".")) continue;
    const path = join(folder, entry.name);
    const below = entry.isDirectory() || (entry.isSymbolicLink() && (await isFolder(path)));
    if (!below) files.push(path);
    else if (depth > 0) files.push(...(await filesBelow(path, depth - 1)));
  }
  return files;
}

/** In code-unit order, the same on every system. */
async function entries(folder: string): Promise<Dirent[]> {
  const found = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    throw readError(folder, cause);
  });
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

async function isFolder(path: string): Promise<boolean> {
  const stats = await stat(path).catch((cause: unknown) => {
    throw readError(path, cause);
  });
  return stats.isDirectory();
}
