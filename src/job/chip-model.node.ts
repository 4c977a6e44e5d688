/**
 * `.model` files on the disk: found, read, and brought to what runs.
 */
import { readdir, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { isMeanImage, type Preprocess } from "../data/preprocess.ts";
import { inputError, usageError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import { type ChipModel, parseChipModel } from "./chip/chip-model.ts";
import { readFileBounded } from "./files.node.ts";

const extension = ".model";
/** The simulator's model beside one that holds a vendor's image. */
export const simulationName = "simulation.model";

const maxModelBytes = 2 ** 31 - 1;

/** The model of a file, or of bytes with a name for errors. */
export async function readChipModel(
  source: string | { readonly name: string; readonly bytes: Uint8Array },
  onWarning?: OnWarning,
): Promise<ChipModel> {
  if (typeof source !== "string") return parseChipModel(source, onWarning);
  const bytes = await readFileBounded(source, maxModelBytes);
  return parseChipModel({ name: source, bytes }, onWarning);
}

/**
 * The `.model` file that a path means: itself, or the one in a folder; undefined where it is neither. Of several in a
 * folder the simulator's own counts; else an input error names them.
 */
export async function modelFileAt(path: string): Promise<string | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (stats?.isDirectory() !== true) {
    return extname(path).toLowerCase() === extension ? path : undefined;
  }
  const names = await readdir(path);
  const models = names.filter((name) => extname(name).toLowerCase() === extension).toSorted();
  const [only, ...others] = models.includes(simulationName) ? [simulationName] : models;
  if (others.length === 0) return only === undefined ? undefined : join(path, only);
  throw inputError("the folder holds several models", {
    where: path,
    got: models.slice(0, 5).join(", "),
    hint: "Name one of them",
  });
}

/**
 * How pictures are prepared for the model: its own way, or the geometry that is asked for. A usage error for arithmetic
 * on pictures that enter the chip as bytes.
 */
export function modelPreprocess(
  { chips: [first] }: ChipModel,
  asked: Preprocess | undefined,
): Preprocess {
  const { preprocess, entry } = first.meta;
  if (asked === undefined) return preprocess;
  const { mean, scale, std } = asked;
  const isPlain =
    !isMeanImage(mean) &&
    mean.every((value) => value === 0) &&
    scale === 1 &&
    std.every((value) => value === 1);
  if (entry !== "picture" || isPlain) return asked;
  throw usageError("the chip takes pictures as bytes: mean and scale are in its first layer", {
    hint: "Leave out --mean, --scale and --std",
  });
}
