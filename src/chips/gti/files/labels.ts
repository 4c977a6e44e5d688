/**
 * labels.txt: `ID NAME` a line, a class each, in the order of the last layer's outputs. The id is any word (a
 * number, or a WordNet id such as n01440764), the name is the rest of the line. No list of names is part of
 * this project.
 */
import { inputError, usageError } from "../../../error.ts";
import type { OnWarning } from "../../../notice.ts";
import type { NamedBytes } from "./bytes.ts";

export type Label = { readonly id: string; readonly name: string };

/** A file of 2^16 classes with long names stays below. */
const maxBytes = 2 ** 24;
const maxLine = 4096;

/**
 * The labels of a file, `outputs` of them. UTF-8, with or without a byte-order mark; LF or CRLF. Numbers as ids
 * that are not 0, 1, 2, ... give a warning: the order of the lines is what counts.
 */
export function parseLabels(file: NamedBytes, outputs: number, onWarning?: OnWarning): Label[] {
  const lines = textOf(file)
    .replace(/\r?\n$/, "")
    .split(/\r?\n/);
  if (lines.length !== outputs) {
    throw inputError("labels need a line for each output of the last layer", {
      where: file.name,
      expected: `${outputs} lines`,
      got: lines.join("") === "" ? "an empty file" : `${lines.length}`,
    });
  }
  const labels = lines.map((line, index) => parseLine(line, `${file.name}:${index + 1}`));
  checkUnique(labels, file.name);
  warnOfOrder(labels, file.name, onWarning);
  return labels;
}

function textOf({ name, bytes }: NamedBytes): string {
  if (bytes.length > maxBytes) {
    throw inputError("the file is too long for labels", {
      where: name,
      expected: `at most ${maxBytes} bytes`,
      got: `${bytes.length}`,
    });
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw inputError("the file is not UTF-8 text", {
      where: name,
      hint: "Save it as UTF-8.",
    });
  }
}

function parseLine(line: string, where: string): Label {
  const text = line.length > maxLine ? "" : line.trim();
  const [id = ""] = /^\S*/.exec(text) ?? [];
  const name = text.slice(id.length).trim();
  if (name === "" || hasControl(text)) {
    throw inputError("not a label", {
      where,
      expected: "an id, a space and a name",
      got: JSON.stringify(line.slice(0, 60)),
    });
  }
  return { id, name };
}

/** Tabs may separate; anything else below a space is no text. */
function hasControl(line: string): boolean {
  for (const character of line) {
    if ((character < " " && character !== "\t") || character === "\x7f") return true;
  }
  return false;
}

function checkUnique(labels: readonly Label[], where: string): void {
  const lines = new Map<string, number>();
  for (const [index, { id }] of labels.entries()) {
    const earlier = lines.get(id);
    if (earlier !== undefined) {
      throw inputError("a label's id is used twice", {
        where: `${where}:${index + 1}`,
        got: `"${id}", as in line ${earlier}`,
      });
    }
    lines.set(id, index + 1);
  }
}

function warnOfOrder(labels: readonly Label[], where: string, onWarning?: OnWarning): void {
  if (!labels.every(({ id }) => /^\d{1,9}$/.test(id))) return;
  const wrong = labels.findIndex(({ id }, index) => Number(id) !== index);
  if (wrong < 0) return;
  onWarning?.({
    id: "label-order",
    message: `ids are not 0..${labels.length - 1} in order (output ${wrong} has id ${labels[wrong]?.id}); the order of the lines counts`,
    where: `${where}:${wrong + 1}`,
  });
}

/** Labels with the ids 0, 1, 2, ... */
export function defaultLabels(names: readonly string[]): Label[] {
  return names.map((name, index) => ({ id: `${index}`, name }));
}

/** The text of a labels file; what it cannot hold is refused. */
export function labelsText(labels: readonly Label[]): string {
  const lines = labels.map(({ id, name }) => {
    const line = `${id} ${name}`;
    const isSame = /^\S+$/.test(id) && /^\S(.*\S)?$/.test(name) && line.length <= maxLine;
    if (isSame && !hasControl(line)) return `${line}\n`;
    throw usageError("a label needs an id without spaces and a name of one line", {
      got: JSON.stringify(line.slice(0, 60)),
    });
  });
  checkUnique(labels, "labels");
  return lines.join("");
}
