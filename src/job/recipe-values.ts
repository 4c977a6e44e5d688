/**
 * Values of a recipe with the type they must have.
 */
import { nearestNames } from "../protobuf/nearest.ts";
import { type Entry, wrong } from "./recipe-entry.ts";

/** Non-empty text; numbers are not turned into text. */
export function textOf(entry: Entry): string {
  if (typeof entry.value !== "string" || entry.value.trim() === "") throw wrong(entry, "text");
  return entry.value;
}

export function numberOf(entry: Entry): number {
  if (typeof entry.value !== "number" || !Number.isFinite(entry.value)) {
    throw wrong(entry, "a number");
  }
  return entry.value;
}

/** An integer in `least..most`. */
export function integerOf(
  entry: Entry,
  least: number = Number.MIN_SAFE_INTEGER,
  most: number = Number.MAX_SAFE_INTEGER,
): number {
  const value = numberOf(entry);
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value;
  throw wrong(entry, least === Number.MIN_SAFE_INTEGER ? "an integer" : `an integer from ${least}`);
}

export function flagOf(entry: Entry): boolean {
  if (typeof entry.value !== "boolean") throw wrong(entry, "true or false");
  return entry.value;
}

export function choiceOf<T extends string>(entry: Entry, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === entry.value);
  if (found !== undefined) return found;
  const near = typeof entry.value === "string" ? nearestNames(entry.value, choices) : [];
  const hint = near.length === 0 ? "" : ` (did you mean ${near.join(" or ")}?)`;
  throw wrong(entry, `one of ${choices.join(", ")}${hint}`);
}

/** A list, or a single value as a list of one. */
export function listOf<T>(entry: Entry, item: (entry: Entry) => T): readonly T[] {
  return (entry.items() ?? [entry]).map(item);
}

/** The function's result where there is an entry. */
export function optional<T>(entry: Entry | undefined, read: (entry: Entry) => T): T | undefined {
  return entry === undefined ? undefined : read(entry);
}

/** The record without its undefined fields. */
export function defined<T extends object>(
  record: T,
): { readonly [K in keyof T]?: Exclude<T[K], undefined> } {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
