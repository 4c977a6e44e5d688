/**
 * The flags that say which pictures are meant.
 */
import { type Command, Option } from "commander";
import type { ImageOptions } from "../index.ts";
import { type Io, pathIn } from "./io.ts";
import { parseCount, parseShare } from "./values.ts";

export type PictureFlags = {
  readonly root?: string;
  readonly labels?: string;
  readonly split?: number;
  readonly part?: "first" | "second";
  readonly limit?: number;
};

/** What `--images` and its like take. */
export const imageSource =
  "list file, folder, folder of class folders, IDX, CIFAR binary or Datum LMDB";

export function addImageFlags(command: Command): Command {
  return addPictureFlags(
    command.optionsGroup("Pictures:").option("--images <path>", `needed: ${imageSource}`),
  );
}

/** The flags that go with a picture source, without the source itself. */
export function addPictureFlags(command: Command): Command {
  return command
    .option(
      "--root <folder>",
      "what the names in a list are relative to (default: the list's folder)",
    )
    .option("--labels <file>", "class names, a line each")
    .option("--split <share>", "divide the pictures by seed and class, 0.7 say", parseShare)
    .addOption(
      new Option("--part <part>", "the part of the split that is used (default: first)").choices([
        "first",
        "second",
      ]),
    )
    .option("--limit <n>", "at most so many pictures", parseCount);
}

export function imagesOf(path: string, flags: PictureFlags, io: Io): ImageOptions {
  const { root, labels, split, part, limit } = flags;
  return {
    path: pathIn(io, path),
    ...(root === undefined ? {} : { root: pathIn(io, root) }),
    ...(labels === undefined ? {} : { labels: pathIn(io, labels) }),
    ...(split === undefined ? {} : { split }),
    ...(part === undefined ? {} : { part }),
    ...(limit === undefined ? {} : { limit }),
  };
}
