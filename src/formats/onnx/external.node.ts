/**
 * Data files beside an ONNX model, read from inside the model's own folder only. Node only.
 */
import { lstatSync, readFileSync, realpathSync } from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { inputError } from "../../error.ts";
import type { External } from "./read-tensor.ts";

/**
 * Reads external data from `folder`. Throws an input error for absolute paths, for paths that leave
 * the folder, for links and for missing files. Each file is read once.
 */
export function externalReader(folder: string): External {
  const files = new Map<string, Uint8Array>();
  const root = realpathSync(folder);
  return (location) => {
    const known = files.get(location);
    if (known !== undefined) return known;
    const bytes = readFileSync(checkedPath(root, location));
    files.set(location, bytes);
    return bytes;
  };
}

/** The real path of a plain file inside `root`. */
function checkedPath(root: string, location: string): string {
  const parts = location.split(/[\\/]/);
  const outside =
    location === "" ||
    isAbsolute(location) ||
    /^[a-z]:/i.test(location) ||
    parts.includes("..") ||
    location.includes("\0");
  if (outside) throw refused(location, "a path inside the model's folder");
  const path = resolve(root, join(...parts));
  const from = relative(root, path);
  if (from === "" || from.startsWith("..") || isAbsolute(from)) {
    throw refused(location, "a path inside the model's folder");
  }
  requirePlain(root, from.split(sep), location);
  return path;
}

/** No step of the path may be a link, and its end must be a file. */
function requirePlain(root: string, steps: readonly string[], location: string): void {
  let path = root;
  for (const [index, step] of steps.entries()) {
    path = join(path, step);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) throw refused(location, "a file beside the model", "none there");
    if (stat.isSymbolicLink()) throw refused(location, "a plain file", "a link");
    if (index === steps.length - 1 && !stat.isFile()) throw refused(location, "a plain file");
  }
}

function refused(location: string, expected: string, got?: string): Error {
  return inputError("the model's external data cannot be read", {
    expected,
    got: got === undefined ? `"${location}"` : `"${location}": ${got}`,
    hint: "Keep the model and its data files together in one folder",
  });
}
