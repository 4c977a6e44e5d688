/**
 * The fields of a full model's layers, checked. Whoever wrote the file, each count is bounded, and an error names the layer.
 */
import { type InlayError, inputError } from "../../../error.ts";
import type { FullModelLayer } from "../full-model-json.ts";
import { type JsonValue, shown } from "../json-text.ts";
import type { MapSize } from "./map-size.ts";

/** `FC "fc6"`, as errors name a layer. */
export function nameLayer({ name, operation }: FullModelLayer): string {
  return `${operation.slice(0, 40)} "${name.slice(0, 200)}"`;
}

export function fieldError(
  layer: FullModelLayer,
  key: string,
  expected: string,
  hint?: string,
): InlayError {
  const got = shown(layer[key]);
  return inputError(`"${key}" does not fit`, { node: nameLayer(layer), expected, got, hint });
}

/** Largest number of channels, rows or columns. */
const longest = 2 ** 24;

/** A count of "output channels" and the like; undefined where the key is absent or null. */
export function countField(layer: FullModelLayer, key: string): number | undefined {
  const value = given(layer, key);
  if (value === undefined) return undefined;
  if (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= longest)
    return Number(value);
  throw fieldError(layer, key, `a whole number from 1 to ${longest}`);
}

/** The size of the layer's output; undefined where it has none of the three keys. Rows and columns are 1 unless given. */
export function sizeField(layer: FullModelLayer): MapSize | undefined {
  const channels = countField(layer, "output channels");
  const height = countField(layer, "output height");
  const width = countField(layer, "output width");
  if (channels === undefined && height === undefined && width === undefined) return undefined;
  if (channels === undefined) throw fieldError(layer, "output channels", "a whole number");
  return { channels, height: height ?? 1, width: width ?? 1 };
}

/** A whole number from `low` to `high`; `absent` where the key is absent or null. */
export function integerField(
  layer: FullModelLayer,
  key: string,
  [low, high]: readonly [low: number, high: number],
  absent: number,
): number {
  const value = given(layer, key);
  if (value === undefined) return absent;
  if (Number.isInteger(value) && Number(value) >= low && Number(value) <= high)
    return Number(value);
  throw fieldError(layer, key, `a whole number from ${low} to ${high}`);
}

/** One of these texts. Absent, null and empty give `absent`, or an error where there is none. */
export function choiceField<const T extends string>(
  layer: FullModelLayer,
  key: string,
  choices: readonly T[],
  absent?: T,
): T {
  const value = given(layer, key);
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  if ((value === undefined || value === "") && absent !== undefined) return absent;
  throw fieldError(layer, key, `one of ${choices.join(", ")}`);
}

/** A text that is not empty. */
export function textField(layer: FullModelLayer, key: string): string {
  const value = given(layer, key);
  if (typeof value === "string" && value !== "") return value;
  throw fieldError(layer, key, "a text");
}

function given(layer: FullModelLayer, key: string): JsonValue | undefined {
  return Object.hasOwn(layer, key) ? (layer[key] ?? undefined) : undefined;
}
