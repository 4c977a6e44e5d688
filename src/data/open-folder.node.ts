/**
 * Samples from folders: a folder of pictures, or a folder of class folders. Names are in code-unit order,
 * so that labels are the same on every system.
 */
import type { Dirent } from "node:fs";
import { basename, extname, join } from "node:path";
import { inputError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { decodePicture } from "./decode.node.ts";
import { readPictureFile, sortedEntries, statOrNothing } from "./files.node.ts";
import type { ClassName } from "./list.ts";

const readable = new Set([".jpg", ".jpeg", ".png", ".bmp", ".webp"]);
const unreadable = new Set([
  ".gif",
  ".tif",
  ".tiff",
  ".heic",
  ".heif",
  ".avif",
  ".ppm",
  ".pgm",
  ".jp2",
]);
/** Folders below a class folder are searched this deep; links to folders count, loops end here. */
const maxDepth = 6;

export function isPictureFile(name: string): boolean {
  return readable.has(extname(name).toLowerCase());
}

export function pictureSample(path: string, name: string, label: number | undefined): Sample {
  const encoded = (): Promise<Uint8Array> => readPictureFile(path);
  return { name, label, load: async () => await decodePicture(await encoded(), name), encoded };
}

/**
 * Pictures lying in the folder itself, without labels; or, where there are none, those of its class folders.
 * The label is the folder's place in the sorted names, or with `classes` the class whose id or name
 * the folder has. Folders without a picture are no classes.
 */
export function openFolder(
  path: string,
  classes: readonly ClassName[] | undefined,
  onWarning: OnWarning | undefined,
): Dataset {
  const skipped: string[] = [];
  const own = pictures(path, "", 0, skipped);
  const dataset = own.length > 0 ? flat(path, own) : classFolders(path, classes, skipped);
  if (skipped.length > 0) {
    onWarning?.({
      id: "pictures-skipped",
      message: `${skipped.length} files are of formats that are not read (JPEG, PNG, BMP, WebP are), first ${skipped[0]}`,
      where: path,
    });
  }
  if (dataset.samples.length === 0) {
    throw inputError("no pictures in the folder", {
      where: path,
      expected: "JPEG, PNG, BMP or WebP files, or a folder of them for each class",
      got: skipped.length === 0 ? "none" : `${skipped.length} files of other formats`,
    });
  }
  return dataset;
}

function flat(path: string, names: readonly string[]): Dataset {
  return {
    source: path,
    samples: names.map((name) => pictureSample(join(path, name), name, undefined)),
  };
}

function classFolders(
  path: string,
  classes: readonly ClassName[] | undefined,
  skipped: string[],
): Dataset {
  const found = sortedEntries(path)
    .filter((entry) => isFolder(path, entry))
    .map(({ name }) => ({ name, files: pictures(join(path, name), name, maxDepth, skipped) }))
    .filter(({ files }) => files.length > 0);
  const samples = found.flatMap(({ name, files }, index) => {
    const label = classes === undefined ? index : labelOf(path, name, classes);
    return files.map((file) => pictureSample(join(path, file), file, label));
  });
  const names = classes?.map((known) => known.name) ?? found.map(({ name }) => name);
  return { source: path, samples, classes: names };
}

function labelOf(path: string, folder: string, classes: readonly ClassName[]): number {
  const wanted = folder.toLowerCase();
  const label = classes.findIndex(({ id, name }) => id === wanted || name.toLowerCase() === wanted);
  if (label >= 0) return label;
  throw inputError("a class folder is not among the class names", {
    where: path,
    expected: "the id or the name of a line of the label file",
    got: folder,
    hint: "Rename the folder, or leave the label file out: labels then follow the sorted folder names.",
  });
}

/** Picture files in the folder and `depth` levels below, as `prefix/name`, each folder's own first. */
function pictures(folder: string, prefix: string, depth: number, skipped: string[]): string[] {
  const files: string[] = [];
  const below: string[] = [];
  for (const entry of sortedEntries(folder)) {
    const name = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    if (entry.name.startsWith(".")) continue;
    if (isFolder(folder, entry)) {
      if (depth > 0) below.push(...pictures(join(folder, entry.name), name, depth - 1, skipped));
    } else if (isPictureFile(entry.name)) files.push(name);
    else if (unreadable.has(extname(entry.name).toLowerCase())) skipped.push(name);
  }
  return [...files, ...below];
}

function isFolder(parent: string, entry: Dirent): boolean {
  if (entry.name.startsWith(".")) return false;
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return statOrNothing(join(parent, entry.name))?.isDirectory() ?? false;
}

/** One picture as a data set. */
export function openPicture(path: string): Dataset {
  return { source: path, samples: [pictureSample(path, basename(path), undefined)] };
}
