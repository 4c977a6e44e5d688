/**
 * JSON as the vendor's tools read and write it: bounded parsing, faults that name their place, and text in
 * the style of its scripts. It knows no key.
 */
import { type InlayError, inputError } from "../../error.ts";

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [key: string]: JsonValue };

/** A file's text and the name that errors give it. */
export type JsonFile = { readonly name: string; readonly text: string };

/** Templates have a few kilobytes. */
const maxCharacters = 1 << 20;
const maxDepth = 32;

/** The value of a file; an input error with line and column where it is no JSON, too long or too deep. */
export function parseJson({ name, text: whole }: JsonFile): JsonValue {
  const text = whole.replace(/^\uFEFF/, "");
  if (text.length > maxCharacters) {
    throw inputError("JSON file is too long", {
      where: name,
      expected: `at most ${maxCharacters} characters`,
      got: String(text.length),
    });
  }
  const deep = placeOfDepth(text);
  if (deep !== undefined) {
    throw inputError("JSON is nested too deeply", {
      where: `${name}:${lineAndColumn(text, deep)}`,
      expected: `at most ${maxDepth} levels`,
    });
  }
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const at = Number(/position (\d+)/.exec(message)?.[1] ?? text.length);
    const what = `not JSON (${message.replace(/ (in JSON )?at position.*/, "")})`;
    throw inputError(what, { where: `${name}:${lineAndColumn(text, at)}` });
  }
}

/** Where brackets outside of strings first stand deeper than `maxDepth`. */
function placeOfDepth(text: string): number | undefined {
  let depth = 0;
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{}]/gs)) {
    if (token === "[" || token === "{") depth++;
    else if (token === "]" || token === "}") depth--;
    if (depth > maxDepth) return index;
  }
  return undefined;
}

function lineAndColumn(text: string, at: number): string {
  const lines = text.slice(0, at).split("\n");
  return `${lines.length}:${(lines.at(-1)?.length ?? 0) + 1}`;
}

export function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One thing wrong at one place: `{ path: "layer[2].pooling", expected: "true or false", got: "3" }`. */
export type JsonFault = { readonly path: string; readonly expected: string; readonly got: string };

/** One error of one or more faults; each names its path, what was expected and what stands there. */
export function faultsError(name: string, faults: readonly JsonFault[]): InlayError {
  const [first, ...others] = faults;
  if (first !== undefined && others.length === 0) {
    const { path, expected, got } = first;
    return inputError("wrong value", { where: `${name}: ${path}`, expected, got });
  }
  const shown = faults.slice(0, maxFaults);
  const lines = shown.map(({ path, expected, got }) => `${path}: expected ${expected}, got ${got}`);
  const more = faults.length > shown.length ? ["..."] : [];
  const what = [`${faults.length} wrong values`, ...lines, ...more].join("\n  ");
  return inputError(what, { where: name });
}

const maxFaults = 40;

/** A value as errors show it: short, on one line. */
export function shown(value: JsonValue | undefined): string {
  if (value === undefined) return "nothing";
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/**
 * Text as Python's `json.dump(indent=4, separators=(",", ": "), sort_keys=True)` writes it, one element of a
 * list per line: `{"b": [1], "a": {}}` -> `{`, `    "a": {},`, `    "b": [`, `        1`, `    ]`, `}`.
 */
export function jsonText(value: JsonValue, indent = ""): string {
  const inner = `${indent}    `;
  if (Array.isArray(value)) {
    const items = value.map((item: JsonValue) => inner + jsonText(item, inner));
    return items.length === 0 ? "[]" : `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (isObject(value)) {
    const fields = Object.keys(value)
      .toSorted(compareText)
      .map((key) => `${inner}${stringText(key)}: ${jsonText(value[key] ?? null, inner)}`);
    return fields.length === 0 ? "{}" : `{\n${fields.join(",\n")}\n${indent}}`;
  }
  return typeof value === "string" ? stringText(value) : JSON.stringify(value);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** ASCII alone. */
function stringText(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
