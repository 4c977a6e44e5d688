/**
 * Files that a solver or a prototxt names: relative to the current folder, as Caffe takes them, or to the file that
 * names them.
 */
import { dirname, isAbsolute, join } from "node:path";
import { statOrNothing } from "../../data/files.node.ts";
import { inputError } from "../../error.ts";

/** Largest prototxt, and largest caffemodel or solverstate, in bytes. */
export const maxTextBytes: number = 2 ** 26;
export const maxModelBytes: number = 2 ** 31 - 1;

/** The path from this folder; "" is the process's own. */
export function pathFrom(folder: string, path: string): string {
  return folder === "" || isAbsolute(path) ? path : join(folder, path);
}

/** The path as it can be opened: from the folder, else from beside the file `by` that names it. An input error where it is in neither. */
export function findFile(path: string, folder: string, by: string, node: string): string {
  const places = isAbsolute(path) ? [path] : [pathFrom(folder, path), join(dirname(by), path)];
  const found = places.find((place) => statOrNothing(place) !== undefined);
  if (found !== undefined) return found;
  throw inputError("no such file", {
    ...{ where: by, node, got: path },
    hint: isAbsolute(path)
      ? undefined
      : `Looked for in ${folder || "the current folder"} and in ${dirname(by)}`,
  });
}
