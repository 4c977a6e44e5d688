/**
 * Flag values from text. What does not parse is refused by name, before anything is loaded.
 */
import { InvalidArgumentError } from "commander";

/** A positive integer. */
export function parseCount(text: string): number {
  return integer(text, 1, "a positive integer");
}

/** An integer that may be 0. */
export function parseCountOrZero(text: string): number {
  return integer(text, 0, "an integer from 0");
}

/** Any integer that a double holds. */
export function parseSeed(text: string): number {
  return integer(text, Number.MIN_SAFE_INTEGER, "an integer");
}

function integer(text: string, least: number, expected: string): number {
  const value = isDecimal(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value) || value < least) {
    throw new InvalidArgumentError(`Expected ${expected}.`);
  }
  return value;
}

/** A finite decimal number: `0.017`, `-1`, `1e-3`. */
export function parseNumber(text: string): number {
  const value = isDecimal(text.trim()) ? Number(text) : Number.NaN;
  if (!Number.isFinite(value)) throw new InvalidArgumentError("Expected a number.");
  return value;
}

/** A number, or a fraction of two: `1/255`. */
export function parseFraction(text: string): number {
  const [above = "", below, ...rest] = text.split("/");
  const value = parseNumber(above) / (below === undefined ? 1 : parseNumber(below));
  if (rest.length > 0 || !Number.isFinite(value)) {
    throw new InvalidArgumentError("Expected a number or a fraction such as 1/255.");
  }
  return value;
}

/** `104,117,123` */
export function parseNumbers(text: string): readonly number[] {
  const parts = text.split(",");
  if (parts.length > 4096) throw new InvalidArgumentError("Expected one number per channel.");
  return parts.map(parseNumber);
}

/** `1,3,224,224` */
export function parseShape(text: string): readonly number[] {
  return text.split(",").map((part) => parseCount(part.trim()));
}

/** True where the text is meant as numbers and not as a file name. */
export function looksLikeNumbers(text: string): boolean {
  return text.split(",").every((part) => isDecimal(part.trim()));
}

function isDecimal(text: string): boolean {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text);
}

/** A share strictly between 0 and 1. */
export function parseShare(text: string): number {
  const value = parseNumber(text);
  if (value <= 0 || value >= 1)
    throw new InvalidArgumentError("Expected a share between 0 and 1, such as 0.7.");
  return value;
}

/** `256`: the shorter side; `320x240`: width and height. */
export type ResizeValue =
  | { readonly kind: "shorter"; readonly size: number }
  | { readonly kind: "exact"; readonly width: number; readonly height: number };

export function parseResize(text: string): ResizeValue {
  const [, width, height] = /^(\d{1,5})(?:[x×](\d{1,5}))?$/i.exec(text.trim()) ?? [];
  if (width === undefined) {
    throw new InvalidArgumentError(
      "Expected the shorter side, such as 256, or WIDTHxHEIGHT, such as 320x240.",
    );
  }
  if (height === undefined) return { kind: "shorter", size: parseCount(width) };
  return { kind: "exact", width: parseCount(width), height: parseCount(height) };
}
