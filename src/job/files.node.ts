/**
 * Files of jobs: bounded reads, and writes that either happen whole or not at all. A new file is
 * written beside its place under a name of its own and then renamed over it.
 */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { type FileHandle, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join } from "node:path";
import { InlayError, inputError, usageError, workError } from "../error.ts";
import type { FileContent } from "./file-content.ts";

/**
 * The whole file. `maxBytes` bounds what is allocated. A missing path, a folder and a file that is
 * too large are input errors; so is what the system does not let us read.
 */
export async function readFileBounded(path: string, maxBytes: number): Promise<Uint8Array> {
  try {
    const { size } = await checkedStat(path);
    if (size > maxBytes) throw tooLarge(path, maxBytes, size);
    const bytes = await readFile(path);
    // Devices and pipes claim no size: what was read is what counts.
    if (bytes.length > maxBytes) throw tooLarge(path, maxBytes, bytes.length);
    return bytes;
  } catch (cause) {
    throw readError(path, cause);
  }
}

async function checkedStat(path: string): Promise<{ readonly size: number }> {
  const stats = await stat(path);
  if (stats.isFile()) return stats;
  throw inputError(stats.isDirectory() ? "this is a folder" : "this is no plain file", {
    where: path,
    expected: "a file",
    hint: stats.isDirectory() ? "Name a file in it." : undefined,
  });
}

function tooLarge(path: string, maxBytes: number, size: number): InlayError {
  return inputError("the file is too large", {
    where: path,
    expected: `at most ${maxBytes} bytes`,
    got: `${size}`,
  });
}

/** True where a plain file lies at the path. */
export async function isFile(path: string): Promise<boolean> {
  return await stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );
}

/** What a failed read means to the user; Inlay's own errors pass. */
export function readError(path: string, cause: unknown): InlayError {
  if (cause instanceof InlayError) return cause;
  const code = codeOf(cause);
  if (code === "ENOENT" || code === "ENOTDIR") {
    return inputError("no such file or folder", {
      where: path,
      hint: "Check the path; it is relative to the folder that the command runs in.",
    });
  }
  return inputError("cannot be read", { where: path, got: messageOf(cause) });
}

/**
 * The file with these bytes, its folder made if need be. Readers see the old file or the new one,
 * never a part; when the write fails the old file stays and nothing is left beside it (work error).
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string): Promise<void> {
  await writeFiles(dirname(path), new Map([[basename(path), bytes]]));
}

/**
 * Files by name into one folder, made if need be. All of them are written beside their places first
 * and renamed at the end in the map's order, so that a full disk or a stop leaves the old files as
 * they were. Files of other names in the folder are not touched. Names are plain: no separators.
 */
export async function writeFolderAtomic(
  out: string,
  files: ReadonlyMap<string, FileContent>,
): Promise<void> {
  for (const name of files.keys()) {
    if (name !== basename(name) || name === "" || name === "." || name === ".." || isAbsolute(name))
      throw usageError("not a plain file name", { got: name });
  }
  await writeFiles(out, files);
}

async function writeFiles(folder: string, files: ReadonlyMap<string, FileContent>): Promise<void> {
  const aside = new Map<string, string>();
  // Ctrl-C ends the process at once; even then nothing half written is left.
  const clean = (): void => removeNow(aside.values());
  process.once("exit", clean);
  try {
    await makeFolder(folder);
    await refuseFolders(folder, files.keys());
    for (const [name, content] of files) {
      const temporary = join(folder, `.${name}.${randomBytes(6).toString("hex")}.tmp`);
      aside.set(name, temporary);
      await writeSynced(temporary, content);
    }
    for (const [name, temporary] of aside) await rename(temporary, join(folder, name));
  } catch (cause) {
    // What failed is told; that a file which never came to be cannot be removed is not.
    await Promise.allSettled([...aside.values()].map((path) => rm(path, { force: true })));
    if (cause instanceof InlayError) throw cause;
    throw workError("cannot be written", {
      where: folder,
      got: messageOf(cause),
      hint: hintFor(codeOf(cause)),
    });
  } finally {
    process.removeListener("exit", clean);
  }
}

/** With its parents, each tried once: Node's own `recursive` never ends where a file system makes no folders. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (cause) {
    const parent = dirname(folder);
    if (codeOf(cause) === "ENOENT" && parent !== folder) {
      await makeFolder(parent);
      await mkdir(folder);
    } else if (!(await isFolder(folder))) throw cause;
  }
}

/** A folder with the name of a file to write would be found by the last step only, with others done. */
async function refuseFolders(folder: string, names: Iterable<string>): Promise<void> {
  for (const name of names) {
    const path = join(folder, name);
    if (!(await isFolder(path))) continue;
    throw workError("a folder lies where a file should be", {
      where: path,
      hint: "Choose another folder, or move it away.",
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

/** Written and handed to the disk, so that a rename never gives a name to an empty file. */
async function writeSynced(path: string, content: FileContent): Promise<void> {
  const file = await open(path, "wx");
  try {
    if (typeof content === "string" || content instanceof Uint8Array) await file.writeFile(content);
    else for (const chunk of content) await writeWhole(file, chunk);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The system may take a part of a large piece at a time. */
async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let at = 0;
  while (at < chunk.length) at += (await file.write(chunk, at)).bytesWritten;
}

function removeNow(paths: Iterable<string>): void {
  for (const path of paths) {
    try {
      rmSync(path, { force: true });
    } catch {
      // The process is ending; nobody is left to tell.
    }
  }
}

function hintFor(code: string | undefined): string | undefined {
  if (code === "ENOSPC") return "The disk is full.";
  if (code === "EACCES" || code === "EPERM" || code === "EROFS")
    return "Choose a folder that may be written.";
  if (code === "EEXIST" || code === "ENOTDIR") return "A file lies where the folder should be.";
  return undefined;
}

function codeOf(cause: unknown): string | undefined {
  return cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
