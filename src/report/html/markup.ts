/**
 * HTML as a value: a template tag that escapes everything put into it, except what the same tag
 * made. A string can never become markup by accident, wherever it came from.
 */
import { harmless } from "../format.ts";

const source: unique symbol = Symbol("markup");

/** Finished HTML. Keyed by a symbol, so that no value read from JSON passes for it. */
export type Markup = { readonly [source]: string };

type Part = Markup | string | number | null | readonly Part[];

/** `html\`<td>${name}</td>\``: strings are escaped, arrays joined, null leaves nothing. */
export function html(pieces: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  const text = pieces.map((piece, at) => piece + partText(parts[at] ?? null)).join("");
  return { [source]: text };
}

function partText(part: Part): string {
  if (part === null) return "";
  if (typeof part === "string" || typeof part === "number") return escapeHtml(String(part));
  return isList(part) ? part.map(partText).join("") : part[source];
}

function isList(part: Markup | readonly Part[]): part is readonly Part[] {
  return Array.isArray(part);
}

/** Text of our own source files (style, script) as it stands; never for text from elsewhere. */
export function trusted(text: string): Markup {
  return { [source]: text };
}

export function markupText(markup: Markup): string {
  return markup[source];
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe in element content and in quoted attributes; control characters become `?`. */
export function escapeHtml(text: string): string {
  return harmless(text).replaceAll(/[&<>"']/g, (character) => entities[character] ?? "");
}
