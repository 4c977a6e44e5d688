/**
 * JSON on one line that depends on the values alone: keys sorted, ASCII, -0 kept. What the vendor's files need
 * is in ../json-text.ts.
 */
import { usageError } from "../../../error.ts";

/** Levels of nesting that an image's header may have. */
export const deepestJson = 32;

/** Keys without a value are left out. Anything that JSON cannot hold is a usage error that names `where`. */
export function compactJson(value: unknown, where: string, depth = 0): string {
  if (depth > deepestJson) throw noJson(where, `more than ${deepestJson} levels`);
  const inner = (item: unknown): string => compactJson(item, where, depth + 1);
  if (typeof value === "number") return numberText(value, where);
  if (typeof value === "string") return asciiText(value);
  if (value === null || typeof value === "boolean") return `${value}`;
  if (Array.isArray(value)) return `[${value.map(inner).join(",")}]`;
  if (typeof value !== "object") throw noJson(where, typeof value);
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${asciiText(key)}:${inner(item)}`);
  return `{${entries.join(",")}}`;
}

function numberText(value: number, where: string): string {
  if (!Number.isFinite(value)) throw noJson(where, `${value}`);
  return Object.is(value, -0) ? "-0" : JSON.stringify(value);
}

/** A quoted string; everything beyond ASCII as `\uXXXX`. */
function asciiText(text: string): string {
  return JSON.stringify(text).replace(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function noJson(where: string, got: string): Error {
  return usageError("a value has no place in JSON", { node: where, got });
}

/** True where a parsed value has at most so many levels of lists and objects. */
export function isWithinLevels(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return levels > 0 && Object.values(value).every((item) => isWithinLevels(item, levels - 1));
}
