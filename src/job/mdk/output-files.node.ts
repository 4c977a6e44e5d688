/**
 * The files of the MDK's commands: a prototxt and a caffemodel under new names in a folder of their own, and a log that
 * grows.
 */
import { stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { usageError } from "../../error.ts";
import { isFile, readFileBounded, writeFileAtomic, writeFolderAtomic } from "../files.node.ts";

export type OutputPaths = {
  readonly folder: string;
  readonly prototxt: string;
  readonly caffemodel: string;
};

/** `net.prototxt` with ending `_refined`, below `from`: `from/folder/net_refined.prototxt`. */
export function outputPaths(
  inputs: { readonly prototxt: string; readonly caffemodel: string },
  from: string,
  folder: string,
  ending: string,
): OutputPaths {
  const named = (path: string, extension: string): string =>
    `${basename(path, extname(path))}${ending}${extension}`;
  return {
    folder: join(from, folder),
    prototxt: named(inputs.prototxt, ".prototxt"),
    caffemodel: named(inputs.caffemodel, ".caffemodel"),
  };
}

/** Both paths, as reports name them. */
export function pathsOf({ folder, prototxt, caffemodel }: OutputPaths): readonly string[] {
  return [join(folder, prototxt), join(folder, caffemodel)];
}

/** Throws where a file would be overwritten. */
export async function refuseExisting(paths: OutputPaths, force: boolean): Promise<void> {
  if (force) return;
  for (const path of pathsOf(paths)) {
    if ((await stat(path).catch(() => undefined)) === undefined) continue;
    throw usageError("the file exists already", {
      where: path,
      hint: "Add --force to write over it, or move it away",
    });
  }
}

/** Writes both files, either both or none. */
export async function writeOutputs(
  { folder, prototxt, caffemodel }: OutputPaths,
  bytes: { readonly prototxt: string; readonly caffemodel: Uint8Array },
): Promise<void> {
  const files = new Map<string, string | Uint8Array>([
    [prototxt, bytes.prototxt],
    [caffemodel, bytes.caffemodel],
  ]);
  await writeFolderAtomic(folder, files);
}

const maxLogBytes = 2 ** 26;

/** Adds text to the end of a file, which is replaced as a whole. */
export async function appendLog(path: string, text: string): Promise<void> {
  const before = (await isFile(path))
    ? new TextDecoder().decode(await readFileBounded(path, maxLogBytes))
    : "";
  await writeFileAtomic(path, before + text);
}
