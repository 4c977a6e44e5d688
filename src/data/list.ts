/**
 * Image lists, a file name and a label per line as Caffe's ImageData reads them, and files of class names. Text to
 * records only; whether the files exist is `open.node.ts`'s question.
 */
import { inputError } from "../error.ts";
import { textLines } from "./text.ts";

export type ListEntry = {
  /** The file as written, quotes removed. */
  readonly file: string;
  readonly label: number | undefined;
  /** Line number from 1. */
  readonly line: number;
};

/** Most entries that a list may have. */
const maxEntries = 4_000_000;

/**
 * One entry per line: `name label`, `name,label`, or a name alone; blank lines and lines starting with `#`
 * are left out. Names may hold spaces and may be in double quotes. `a b.jpg 3` -> { file: "a b.jpg", label: 3 }.
 * A list without a single entry is an error.
 */
export function parseList(text: string, name: string): ListEntry[] {
  const entries: ListEntry[] = [];
  let line = 0;
  for (const raw of textLines(text, name)) {
    line += 1;
    const content = raw.trim();
    if (content === "" || content.startsWith("#")) continue;
    if (entries.length === maxEntries) {
      throw inputError("the list is too long", {
        where: name,
        expected: `at most ${maxEntries} entries`,
      });
    }
    entries.push(parseEntry(content, line, name));
  }
  if (entries.length === 0) {
    throw inputError("the list names no picture", {
      where: name,
      expected: "lines like: pictures/cat.jpg 3",
      got: "no entry",
    });
  }
  return entries;
}

function parseEntry(content: string, line: number, name: string): ListEntry {
  const match = /^(.*\S)(?:\s+|\s*,\s*)(-?\d{1,9})$/.exec(content);
  const [, file, digits] = match ?? [];
  if (file === undefined || digits === undefined)
    return { file: unquote(content), label: undefined, line };
  const label = Number(digits);
  if (label < 0) {
    throw inputError("a label must not be negative", { where: `${name}:${line}`, got: digits });
  }
  return { file: unquote(file.replace(/,$/, "")), label, line };
}

function unquote(file: string): string {
  return file.length > 1 && file.startsWith('"') && file.endsWith('"') ? file.slice(1, -1) : file;
}

/** One class per label: `id` is a WordNet synset id such as `n01440764`, where the line starts with one. */
export type ClassName = { readonly id: string | undefined; readonly name: string };

/**
 * Class names, the line's position from 0 being the label. `n01440764 tench, Tinca tinca` gives the id and
 * the name `tench, Tinca tinca`. Blank lines at the end are dropped, one in between is `class 7`.
 */
export function parseClasses(text: string, name: string): ClassName[] {
  const lines = Array.from(textLines(text.trimEnd(), name), (line) => line.trim());
  if (lines.every((line) => line === "")) {
    throw inputError("the label file names no class", { where: name });
  }
  return lines.map((line, index) => {
    const [, id, rest] = /^(n\d{8})(?:\s+(.*))?$/.exec(line) ?? [];
    return { id, name: (rest ?? line) || `class ${index}` };
  });
}
