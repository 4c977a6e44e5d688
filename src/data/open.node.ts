/**
 * Opens a data set from whatever a path names: a list, a folder of pictures or of class folders, a picture,
 * IDX (MNIST), CIFAR binary, or an LMDB of Caffe's Datum. Looks at the content, not only at the name.
 */
import { usageError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import { checkLabels, type Dataset, take } from "./dataset.ts";
import { readDataFile, readHead, statOrNothing } from "./files.node.ts";
import { type ClassName, parseClasses } from "./list.ts";
import { isPictureFile, openFolder, openPicture } from "./open-folder.node.ts";
import { openList } from "./open-list.node.ts";
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

/** The data set at `path`. Reads names and labels, but decodes nothing yet. The same call gives the same samples in the same order. */
export async function openDataset(path: string, options: OpenOptions): Promise<Dataset> {
  if (options.limit !== undefined && (!Number.isInteger(options.limit) || options.limit < 1)) {
    throw usageError("--limit must be a positive integer", { got: `${options.limit}` });
  }
  const classes = options.labels === undefined ? undefined : await readClasses(options.labels);
  const opened = await openAny(path, classes, options);
  const named =
    classes === undefined ? opened : { ...opened, classes: classes.map(({ name }) => name) };
  const whole = checkLabels(named);
  const part =
    options.split === undefined ? whole : splitDataset(whole, options.split, options.seed);
  if (options.limit === undefined) return part;
  return take(part, options.limit);
}

/** The class names of a label file; see `parseClasses`. */
export async function readClasses(path: string): Promise<ClassName[]> {
  return parseClasses(decodeText(await readDataFile(path), path), path);
}

async function openAny(
  path: string,
  classes: readonly ClassName[] | undefined,
  options: OpenOptions,
): Promise<Dataset> {
  const stats = statOrNothing(path);
  if (stats === undefined) {
    throw usageError("no such file or folder", {
      where: path,
      hint: "Name a list of pictures, a folder, an IDX or CIFAR file, or an LMDB.",
    });
  }
  if (stats.isDirectory()) return openFolder(path, classes, options.onWarning);
  if (isPictureFile(path)) return openPicture(path);
  await readHead(path, 16);
  return await openList(path, options.root, options.onWarning);
}
