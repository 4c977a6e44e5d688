/**
 * Scalar values of the protobuf text format: numbers in all their spellings, escapes in strings,
 * enum names. Each function reads the tokens in hand and moves behind them.
 */
import { decodeText } from "./decode-text.ts";
import { next, type Scanner, skip, syntaxError, unexpected } from "./scanner.ts";
import type { Field } from "./table.ts";

const encoder = new TextEncoder();

/** An enum name that the schema does not have; the caller warns or fails. */
export type UnknownName = { readonly unknownName: string; readonly offset: number };

export function isUnknownName(value: unknown): value is UnknownName {
  return typeof value === "object" && value !== null && "unknownName" in value;
}

/** The value of a scalar field. Throws where the text is of another type or out of range. */
export function parseScalar(scanner: Scanner, field: Field): unknown {
  switch (field.type) {
    case "string":
      return stringValue(scanner, field);
    case "bytes":
      return bytesValue(scanner, field);
    case "bool":
      return boolValue(scanner, field);
    case "enum":
      return enumValue(scanner, field);
    case "float":
      return Math.fround(floatValue(scanner, field));
    case "double":
      return floatValue(scanner, field);
    default:
      return integerValue(scanner, field);
  }
}

const ranges: { readonly [type: string]: readonly [min: number, max: number] | undefined } = {
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  enum: [-(2 ** 31), 2 ** 31 - 1],
};

function integerValue(scanner: Scanner, field: Field): number {
  const negative = skip(scanner, "-");
  const { kind, text, offset } = scanner.token;
  if (kind !== "number" || !/^(?:0[xX][0-9a-fA-F]+|[0-9]+)$/.test(text)) {
    throw unexpected(scanner, `an integer for ${field.name}`);
  }
  next(scanner);
  const octal = /^0[0-7]+$/.test(text);
  const size = octal ? Number.parseInt(text, 8) : Number(text);
  const value = negative && size !== 0 ? -size : size;
  const [min, max] = ranges[field.type] ?? [0, 0];
  if (value >= min && value <= max) return value;
  throw syntaxError(scanner, `${field.name} is out of range`, offset, {
    expected: `${min}..${max}`,
    got: `${value}`,
  });
}

function floatValue(scanner: Scanner, field: Field): number {
  const negative = skip(scanner, "-");
  const { kind, text } = scanner.token;
  let size: number | undefined;
  if (kind === "name") size = namedFloat(text);
  else if (kind === "number") size = plainFloat(text);
  if (size === undefined) throw unexpected(scanner, `a number for ${field.name}`);
  next(scanner);
  return negative ? -size : size;
}

function namedFloat(text: string): number | undefined {
  const name = text.toLowerCase();
  if (name === "inf" || name === "infinity") return Number.POSITIVE_INFINITY;
  return name === "nan" ? Number.NaN : undefined;
}

/** A trailing `f` is C++'s; hexadecimal digits keep theirs. */
function plainFloat(text: string): number {
  return Number(/^0[xX]/.test(text) ? text : text.replace(/[fF]$/, ""));
}

const truths: { readonly [text: string]: boolean | undefined } = {
  true: true,
  True: true,
  t: true,
  1: true,
  false: false,
  False: false,
  f: false,
  0: false,
};

function boolValue(scanner: Scanner, field: Field): boolean {
  const { kind, text } = scanner.token;
  const value = kind === "name" || kind === "number" ? truths[text] : undefined;
  if (value === undefined) throw unexpected(scanner, `true or false for ${field.name}`);
  next(scanner);
  return value;
}

function enumValue(scanner: Scanner, field: Field): string | number | UnknownName {
  const { kind, text, offset } = scanner.token;
  if (kind === "name") {
    next(scanner);
    const number = field.values?.byName.get(text);
    if (number === undefined) return { unknownName: text, offset };
    return field.values?.byNumber.get(number) ?? number;
  }
  if (kind === "string") {
    throw unexpected(scanner, `a ${field.enum} name for ${field.name}`, "Write it without quotes");
  }
  const number = integerValue(scanner, field);
  return field.values?.byNumber.get(number) ?? number;
}

/** Adjacent strings are one. */
function stringParts(scanner: Scanner, field: Field): readonly string[] {
  const parts: string[] = [];
  while (scanner.token.kind === "string") parts.push(next(scanner).text.slice(1, -1));
  if (parts.length > 0) return parts;
  const hint = scanner.token.kind === "name" ? `Write "${scanner.token.text}"` : undefined;
  throw unexpected(scanner, `a quoted string for ${field.name}`, hint);
}

function stringValue(scanner: Scanner, field: Field): string {
  const parts = stringParts(scanner, field);
  const plain = parts.every((part) => !part.includes("\\"));
  return plain ? parts.join("") : decodeText(resolveEscapes(scanner, parts.join("")));
}

function bytesValue(scanner: Scanner, field: Field): Uint8Array {
  return resolveEscapes(scanner, stringParts(scanner, field).join(""));
}

const numeric = /([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})/y;

const letters: { readonly [letter: string]: number | undefined } = {
  n: 10,
  r: 13,
  t: 9,
  a: 7,
  b: 8,
  f: 12,
  v: 11,
  "\\": 92,
  "'": 39,
  '"': 34,
  "?": 63,
};

/** The bytes of a string with its escapes resolved; `\351\233` are bytes, not characters. */
function resolveEscapes(scanner: Scanner, text: string): Uint8Array {
  // No character needs more than three bytes per UTF-16 unit, and no escape more than its text.
  const bytes = new Uint8Array(3 * text.length);
  let length = 0;
  let pos = 0;
  while (pos < text.length) {
    const slash = text.indexOf("\\", pos);
    const stop = slash < 0 ? text.length : slash;
    if (stop > pos) {
      length += encoder.encodeInto(text.slice(pos, stop), bytes.subarray(length)).written;
    }
    if (slash < 0) break;
    const letter = letters[text[slash + 1] ?? ""];
    if (letter !== undefined) {
      bytes[length] = letter;
      length += 1;
      pos = slash + 2;
    } else {
      const escaped = numericEscape(scanner, text, slash + 1);
      bytes.set(escaped.bytes, length);
      length += escaped.bytes.length;
      pos = escaped.end;
    }
  }
  return bytes.slice(0, length);
}

type Escape = { readonly bytes: Uint8Array; readonly end: number };

/** The escape whose digits start at `pos`: octal, hexadecimal, or a code point. */
function numericEscape(scanner: Scanner, text: string, pos: number): Escape {
  numeric.lastIndex = pos;
  const [whole = "", octal, hex, short, long] = numeric.exec(text) ?? [];
  const end = pos + whole.length;
  if (octal !== undefined) return { bytes: Uint8Array.of(Number.parseInt(octal, 8)), end };
  if (hex !== undefined) return { bytes: Uint8Array.of(Number.parseInt(hex, 16)), end };
  const point = Number.parseInt(short ?? long ?? "", 16);
  if (point <= 0x10ffff) return { bytes: encoder.encode(String.fromCodePoint(point)), end };
  throw syntaxError(scanner, "unknown escape in a string", scanner.token.offset, {
    got: text.slice(pos - 1, pos + 1),
    hint: "A backslash is written twice",
  });
}
