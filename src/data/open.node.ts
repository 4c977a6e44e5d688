/**
 * Opens a data set from whatever a path names: a list, a folder of pictures or of class folders, a picture,
 * IDX (MNIST), CIFAR binary, or an LMDB of Caffe's Datum. Looks at the content, not only at the name.
 */
import { extname, join } from "node:path";
import { usageError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import { checkLabels, type Dataset, labelCount, take, takeEvenly } from "./dataset.ts";
import { readDataFile, statOrNothing } from "./files.node.ts";
import { isIdx } from "./idx.ts";
import { type ClassName, parseClasses } from "./list.ts";
import { parseMean } from "./mean.ts";
import { cifarTrainingFiles, openCifar, openIdx, openLmdb } from "./open-binary.node.ts";
import { isPictureFile, openFolder, openPicture } from "./open-folder.node.ts";
import { openList } from "./open-list.node.ts";
import type { MeanImage } from "./preprocess.ts";
import { type Split, splitDataset } from "./split.ts";
import { decodeText } from "./text.ts";

export type OpenOptions = {
  /** Folder that a list's names are relative to; by default the list's own. */
  readonly root?: string | undefined;
  /** File of class names, a line per label. */
  readonly labels?: string | undefined;
  readonly split?: Split | undefined;
  /** Seed of the split. */
  readonly seed: number;
  /** At most this many samples, after the split: the first ones; of class folders, equally many of each class. */
  readonly limit?: number | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/**
 * The data set at `path`. Reads names and labels, but decodes nothing yet. The same call gives the same
 * samples in the same order. A file is told by its content: a picture, IDX or CIFAR (gzip or not), LMDB; anything else
 * is read as a list. Of a folder with CIFAR binaries the training files are taken.
 */
export async function openDataset(path: string, options: OpenOptions): Promise<Dataset> {
  const { limit, split, onWarning } = options;
  if (limit !== undefined && (!Number.isInteger(limit) || limit < 1)) {
    throw usageError("--limit must be a positive integer", { got: `${limit}` });
  }
  const classes = options.labels === undefined ? undefined : await readClasses(options.labels);
  const { dataset, isGrouped } = await openAny(path, classes, options);
  const named =
    classes === undefined ? dataset : { ...dataset, classes: classes.map(({ name }) => name) };
  const whole = checkLabels(named);
  const part = split === undefined ? whole : splitDataset(whole, split, options.seed);
  if (part.samples.length === 0) {
    throw usageError("--split leaves no sample", {
      where: path,
      got: `${whole.samples.length} samples`,
    });
  }
  if (limit === undefined) return part;
  return isGrouped ? takeEvenly(part, limit) : takeFirst(part, limit, onWarning);
}

/** The first samples; says so where that loses classes, as it does with lists sorted by class. */
function takeFirst(dataset: Dataset, limit: number, onWarning: OnWarning | undefined): Dataset {
  const taken = take(dataset, limit);
  const before = labelCount(dataset);
  const after = labelCount(taken);
  // A list sorted by class loses most of them; a shuffled one only a few.
  if (2 * after < Math.min(before, limit)) {
    onWarning?.({
      id: "limit-classes",
      message: `the first ${limit} samples hold ${after} of ${before} classes; --split draws evenly from all`,
      where: dataset.source,
    });
  }
  return taken;
}

/** The class names of a label file; see `parseClasses`. */
export async function readClasses(path: string): Promise<ClassName[]> {
  return parseClasses(decodeText(await readDataFile(path), path), path);
}

/** `isGrouped`: the samples are ordered by class, so that a limit must draw from each. */
type Opened = { readonly dataset: Dataset; readonly isGrouped: boolean };

async function openAny(
  path: string,
  classes: readonly ClassName[] | undefined,
  options: OpenOptions,
): Promise<Opened> {
  const stats = statOrNothing(path);
  if (stats === undefined) {
    throw usageError("no such file or folder", {
      where: path,
      hint: "Name a list of pictures, a folder, an IDX or CIFAR file, or an LMDB.",
    });
  }
  return stats.isDirectory()
    ? await openDirectory(path, classes, options)
    : { dataset: await openFile(path, options), isGrouped: false };
}

async function openDirectory(
  path: string,
  classes: readonly ClassName[] | undefined,
  options: OpenOptions,
): Promise<Opened> {
  const database = join(path, "data.mdb");
  if (statOrNothing(database)?.isFile() === true) {
    return { dataset: await openLmdb(path, database, recordLimit(options)), isGrouped: false };
  }
  const cifar = cifarTrainingFiles(path);
  if (cifar !== undefined) return { dataset: await openCifar(path, cifar), isGrouped: false };
  return { dataset: openFolder(path, classes, options.onWarning), isGrouped: true };
}

async function openFile(path: string, options: OpenOptions): Promise<Dataset> {
  if (isPictureFile(path)) return openPicture(path);
  if (extname(path) === ".mdb") return await openLmdb(path, path, recordLimit(options));
  if (/\.bin(\.gz)?$/i.test(path)) return await openCifar(path, [path]);
  const bytes = await readDataFile(path);
  if (isIdx(bytes)) return await openIdx(path, bytes, options.onWarning);
  return openList(path, bytes, options.root, options.onWarning);
}

/** A database need not be read beyond the limit, unless a split draws from all of it. */
function recordLimit({ limit, split }: OpenOptions): number {
  return split === undefined ? (limit ?? Infinity) : Infinity;
}

/** A Caffe mean image from a binaryproto file. */
export async function readMean(path: string): Promise<MeanImage> {
  return parseMean(await readDataFile(path), path);
}
