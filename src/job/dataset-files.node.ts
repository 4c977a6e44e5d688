/**
 * The files of a database: data.mdb, streamed, and its mean picture. Written aside and renamed, so that they are all there or none.
 */
import { randomBytes } from "node:crypto";
import { rmdirSync, rmSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { statOrNothing } from "../data/files.node.ts";
import type { LmdbPiece } from "../data/lmdb-write.ts";
import { InlayError, workError } from "../error.ts";
import { writeFileAtomic, writeFolderAtomic } from "./files.node.ts";

export const databaseName = "data.mdb";

/** A file beside the database, known when all records are written. */
export type BesideFile = { readonly path: string; readonly bytes: () => Uint8Array };

/**
 * Writes `out/data.mdb` and then what belongs to it; gives the database's bytes. Where anything fails, also within `pieces`, or the process is
 * ended, what was there before is there again, and folders that were made are gone. A lock file of a former database is removed.
 */
export async function writeDatabase(
  out: string,
  pieces: AsyncIterable<LmdbPiece>,
  beside: readonly BesideFile[],
): Promise<number> {
  const made = missingFolders(out);
  const aside = join(out, `.${databaseName}.${randomBytes(6).toString("hex")}.tmp`);
  const clean = (): void => removeNow(aside, made);
  process.once("exit", clean);
  try {
    await writeFolderAtomic(out, new Map());
    const bytes = await writePieces(aside, pieces);
    for (const file of beside) await writeFileAtomic(file.path, file.bytes());
    await rename(aside, join(out, databaseName));
    await rm(join(out, "lock.mdb"), { force: true });
    return bytes;
  } catch (cause) {
    clean();
    throw failure(out, cause);
  } finally {
    process.removeListener("exit", clean);
  }
}

/** The folder and those above it that are not there yet, innermost first. */
function missingFolders(folder: string): string[] {
  const missing: string[] = [];
  for (let path = folder; statOrNothing(path) === undefined; path = dirname(path)) {
    missing.push(path);
    if (basename(path) === "" || dirname(path) === path) break;
  }
  return missing;
}

function removeNow(aside: string, folders: readonly string[]): void {
  try {
    rmSync(aside, { force: true });
    for (const folder of folders) rmdirSync(folder);
  } catch {
    // A folder that is not empty stays; the failure itself is what is told.
  }
}

async function writePieces(path: string, pieces: AsyncIterable<LmdbPiece>): Promise<number> {
  const file = await open(path, "wx");
  let total = 0;
  try {
    for await (const { offset, bytes } of pieces) {
      await writeAt(file, offset, bytes);
      total += bytes.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return total;
}

/** The system may take a part of the bytes at a time. */
async function writeAt(file: FileHandle, offset: number, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const left = bytes.length - done;
    done += (await file.write(bytes, done, left, offset + done)).bytesWritten;
  }
}

/** Failures of the system get their folder; ours, and stops, pass as they are. */
function failure(out: string, cause: unknown): unknown {
  if (cause instanceof InlayError || !(cause instanceof Error) || !("code" in cause)) return cause;
  const hints: Readonly<Record<string, string>> = {
    ENOSPC: "The disk is full.",
    EDQUOT: "Your share of the disk is full.",
    EFBIG: "The file system takes no file of this size.",
    EACCES: "Choose a folder that may be written.",
    EROFS: "Choose a folder that may be written.",
  };
  return workError("cannot be written", {
    where: out,
    got: cause.message,
    hint: hints[String(cause.code)],
  });
}
