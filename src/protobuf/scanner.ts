/**
 * Tokens of the protobuf text format: names, numbers, strings and punctuation, with their places.
 * Knows no schema. Bounded by the length of the text, which is checked before it starts.
 */
import { type InlayError, inputError } from "../error.ts";

export type Token = {
  /** `symbol` is one character; `end` is the end of the text. */
  readonly kind: "name" | "number" | "string" | "symbol" | "end";
  /** The text as written; a string's with quotes. */
  readonly text: string;
  readonly offset: number;
};

export type Scanner = {
  readonly text: string;
  readonly file: string;
  pos: number;
  /** The token in hand. */
  token: Token;
  /** The line that `placeOf` found last, and where it starts. */
  lastPlace: { readonly line: number; readonly start: number };
};

/** 64 Mi characters; the largest prototxt seen is 2 MB. */
const maxTextLength = 64 * 1024 * 1024;

const space = /[\s\uFEFF]+|#[^\n\r]*/y;
const name = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?[fF]?/y;

/** A scanner on its first token. */
export function openScanner(text: string, file: string): Scanner {
  if (text.length > maxTextLength) {
    throw inputError("the text file is too large", {
      where: file,
      expected: `at most ${maxTextLength} characters`,
      got: `${text.length}`,
      hint: "Is this a binary file?",
    });
  }
  const token: Token = { kind: "end", text: "", offset: 0 };
  const scanner: Scanner = { text, file, pos: 0, token, lastPlace: { line: 1, start: 0 } };
  next(scanner);
  return scanner;
}

/** Moves to the next token and gives the one before it. */
export function next(scanner: Scanner): Token {
  const before = scanner.token;
  skipSpace(scanner);
  scanner.token = scanToken(scanner);
  scanner.pos = scanner.token.offset + scanner.token.text.length;
  return before;
}

/** One run of blanks or one comment at a time: an expression over all of them would keep a stack. */
function skipSpace(scanner: Scanner): void {
  while (scanner.pos < scanner.text.length) {
    const code = scanner.text.charCodeAt(scanner.pos);
    // Printable ASCII but for the comment sign: no need to ask the expression.
    if (code > 35 && code < 127) return;
    space.lastIndex = scanner.pos;
    if (!space.test(scanner.text)) return;
    scanner.pos = space.lastIndex;
  }
}

function scanToken(scanner: Scanner): Token {
  const { text, pos: offset } = scanner;
  if (offset >= text.length) return { kind: "end", text: "", offset };
  const mark = text[offset] ?? "";
  if ("{}<>[]:,;".includes(mark)) return { kind: "symbol", text: mark, offset };
  const word = matchAt(name, text, offset);
  if (word !== undefined) return { kind: "name", text: word, offset };
  const digits = matchAt(number, text, offset);
  if (digits !== undefined) return { kind: "number", text: digits, offset };
  const char = text[offset] ?? "";
  if (char === '"' || char === "'") {
    const end = stringEnd(text, offset);
    if (end < 0) throw syntaxError(scanner, "a string has no closing quote", offset);
    return { kind: "string", text: text.slice(offset, end), offset };
  }
  if ("{}<>[]:,;-+./".includes(char)) return { kind: "symbol", text: char, offset };
  throw syntaxError(scanner, "unexpected character", offset, {
    got: JSON.stringify(char),
    hint: char < " " || char > "~" ? "Is this a binary file?" : undefined,
  });
}

/** The place behind the string that starts at `offset`; -1 where its line ends first. */
function stringEnd(text: string, offset: number): number {
  const quote = text[offset];
  for (let pos = offset + 1; pos < text.length; pos += 1) {
    const char = text[pos];
    if (char === quote) return pos + 1;
    if (char === "\n") return -1;
    if (char === "\\") pos += 1;
  }
  return -1;
}

/** What a sticky expression matches at `offset`; undefined where it does not. */
function matchAt(expression: RegExp, text: string, offset: number): string | undefined {
  expression.lastIndex = offset;
  return expression.test(text) ? text.slice(offset, expression.lastIndex) : undefined;
}

/** True where the token in hand is this symbol. */
export function at(scanner: Scanner, symbol: string): boolean {
  return scanner.token.kind === "symbol" && scanner.token.text === symbol;
}

/** Skips this symbol if it is in hand. */
export function skip(scanner: Scanner, symbol: string): boolean {
  if (!at(scanner, symbol)) return false;
  next(scanner);
  return true;
}

/** `net.prototxt:12:3`: lines and columns count from 1. Goes on from the last place asked for. */
export function placeOf(scanner: Scanner, offset: number): string {
  const from = scanner.lastPlace.start <= offset ? scanner.lastPlace : { line: 1, start: 0 };
  let { line, start } = from;
  for (;;) {
    const end = scanner.text.indexOf("\n", start);
    if (end < 0 || end >= offset) break;
    line += 1;
    start = end + 1;
  }
  scanner.lastPlace = { line, start };
  return `${scanner.file}:${line}:${offset - start + 1}`;
}

export function syntaxError(
  scanner: Scanner,
  what: string,
  offset: number,
  fields: {
    readonly node?: string | undefined;
    readonly expected?: string | undefined;
    readonly got?: string | undefined;
    readonly hint?: string | undefined;
  } = {},
): InlayError {
  return inputError(what, { where: placeOf(scanner, offset), ...fields });
}

/** The token in hand is not what the grammar wants. */
export function unexpected(scanner: Scanner, expected: string, hint?: string): InlayError {
  const { kind, text, offset } = scanner.token;
  return syntaxError(scanner, "unexpected text", offset, {
    expected,
    got: kind === "end" ? "the end of the file" : `\`${text.slice(0, 40)}\``,
    hint,
  });
}
