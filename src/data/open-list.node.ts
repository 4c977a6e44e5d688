/**
 * Samples from an image list: finds the files that the lines name. Which line means what is `list.ts`'s matter.
 */
import { dirname, isAbsolute, join, resolve } from "node:path";
import { inputError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { statOrNothing } from "./files.node.ts";
import { type ListEntry, parseList } from "./list.ts";
import { pictureSample } from "./open-folder.node.ts";
import { decodeText } from "./text.ts";

/**
 * The list's samples in its order. Files are looked for relative to `root`, or to the list's own folder.
 * One error counts the files that are missing and names the first of them.
 */
export function openList(
  path: string,
  bytes: Uint8Array,
  root: string | undefined,
  onWarning: OnWarning | undefined,
): Dataset {
  const entries = parseList(decodeText(bytes, path), path);
  warnMixed(path, entries, onWarning);
  const base = resolve(root ?? dirname(path));
  const samples: Sample[] = [];
  const missing: ListEntry[] = [];
  for (const entry of entries) {
    const file = findFile(base, entry.file);
    if (file === undefined) missing.push(entry);
    if (missing.length === enoughMissing) break;
    if (file !== undefined) samples.push(pictureSample(file, entry.file, entry.label));
  }
  if (missing.length > 0) throw missingFiles(path, base, entries.length, missing);
  return { source: path, samples };
}

/** The count stops here: by then the list is the wrong one, or its root is. */
const enoughMissing = 10_000;

/** The first of the ways to read the name that leads to a file: as it is, with `\` as `/`, a leading `/` below the root. */
function findFile(base: string, file: string): string | undefined {
  const slashed = file.replaceAll("\\", "/");
  const names = slashed === file ? [file] : [file, slashed];
  const candidates = names.flatMap((name) =>
    isAbsolute(name) ? [name, join(base, name)] : [join(base, name)],
  );
  return candidates.find(
    (candidate) => !candidate.includes("\0") && statOrNothing(candidate)?.isFile(),
  );
}

function missingFiles(
  path: string,
  base: string,
  total: number,
  missing: readonly ListEntry[],
): Error {
  const first = missing.slice(0, 3).map(({ file, line }) => `${file} (line ${line})`);
  const more = missing.length > first.length ? ", ..." : "";
  const count = missing.length === enoughMissing ? `${enoughMissing} or more` : `${missing.length}`;
  return inputError(`${count} of ${total} listed files are missing`, {
    where: path,
    expected: `files below ${base}`,
    got: `${first.join(", ")}${more}`,
    hint: "Name the folder that the list is relative to with --root.",
  });
}

function warnMixed(
  path: string,
  entries: readonly ListEntry[],
  onWarning: OnWarning | undefined,
): void {
  const bare = entries.filter(({ label }) => label === undefined);
  const [first] = bare;
  if (first === undefined || bare.length === entries.length) return;
  onWarning?.({
    id: "label-missing",
    message: `${bare.length} of ${entries.length} lines have no label; the first is "${first.file}"`,
    where: `${path}:${first.line}`,
  });
}
