/**
 * What is wrong in a network JSON: the kind and range of each value, and what contradicts itself inside one
 * major layer. What a chip cannot hold is said by check-layout.ts.
 */
import { isObject, type JsonFault, type JsonObject, type JsonValue, shown } from "./json-text.ts";
import { targetOfChipType } from "./targets.ts";

/** Counts that bound what is allocated; chips have 7 and 12. */
const maxMajors = 256;
const maxSublayers = 256;
const maxSide = 1 << 14;
const maxChips = 64;

/** Says what was expected; undefined where the value is good. */
type Check = (value: JsonValue) => string | undefined;

const flag: Check = (value) => (typeof value === "boolean" ? undefined : "true or false");
const text: Check = (value) => (typeof value === "string" ? undefined : "a text");

function isInteger(value: JsonValue, from: number, to: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= from && value <= to;
}

function integer(from: number, to: number): Check {
  return (value) => (isInteger(value, from, to) ? undefined : `an integer from ${from} to ${to}`);
}

function oneOf(...allowed: readonly number[]): Check {
  return (value) =>
    typeof value === "number" && allowed.includes(value) ? undefined : allowed.join(", ");
}

function listOf(what: string, from: number, to: number): Check {
  return (value) => {
    const good =
      Array.isArray(value) &&
      value.length <= maxSublayers &&
      value.every((item: JsonValue) => isInteger(item, from, to));
    return good ? undefined : `a list of ${what}`;
  };
}

/** The vendor's templates write null for an empty list. */
function orNull(check: Check): Check {
  return (value) => (value === null ? undefined : check(value));
}

const chipType: Check = (value) =>
  typeof value === "number" && targetOfChipType(value) !== undefined
    ? undefined
    : "2801, 2803 or 5801";

const modelKeys: ReadonlyMap<string, Check> = new Map([
  ["ChipType", chipType],
  ["ChipNumber", integer(1, maxChips)],
  ["ChipNums", () => "the key ChipNumber"],
  ["ModelType", text],
  ["ResNetMode", integer(0, maxChips)],
  ["SamplingMethod", oneOf(0, 1)],
  ["ActivationBitMode", oneOf(0, 1, 2)],
  ["MajorLayerNumber", integer(0, maxMajors)],
]);

const layerKeys: ReadonlyMap<string, Check> = new Map([
  ["image_size", integer(1, maxSide)],
  ["input_channels", integer(1, maxSide)],
  ["output_channels", integer(1, maxSide)],
  ["sublayer_number", integer(1, maxSublayers)],
  ["coef_bits", oneOf(1, 2, 3, 5, 8, 12)],
  ["pooling", flag],
  ["learning", flag],
  ["last_layer_out", flag],
  ["upsample_enable", flag],
  ["depth_enable", flag],
  ["ten_bits_enable", flag],
  ["one_coef", orNull(listOf("0 (3x3) and 1 (1x1)", 0, 1))],
  ["resnet_shortcut_start_layers", orNull(listOf("sublayers from 1", 1, maxSublayers))],
  ["major_layer", integer(1, maxMajors)],
  ["scaling", listOf("shifts", -64, 64)],
]);

const requiredModelKeys = ["ChipType"];
const requiredLayerKeys = [
  ...["image_size", "input_channels", "output_channels", "sublayer_number", "coef_bits"],
];

/** Everything that is wrong, in the order of the file. */
export function networkFaults(value: JsonValue): readonly JsonFault[] {
  if (!isObject(value)) return [fault("the file", 'an object of "model" and "layer"', value)];
  const models = objectsAt(value, "model", 1);
  const layers = objectsAt(value, "layer", maxMajors);
  const faults = [
    ...models.faults,
    ...models.items.flatMap(([path, model]) =>
      fieldFaults(path, model, modelKeys, requiredModelKeys),
    ),
    ...layers.faults,
    ...layers.items.flatMap(([path, layer]) => layerFaults(path, layer)),
  ];
  return [...faults, ...outputModeFaults(layers.items)];
}

/** Keys that no table here knows, as paths. */
export function unknownKeys(
  models: readonly JsonObject[],
  layers: readonly JsonObject[],
): readonly string[] {
  const unknown = (name: string, items: readonly JsonObject[], known: ReadonlyMap<string, Check>) =>
    items.flatMap((item, at) =>
      Object.keys(item)
        .filter((key) => !known.has(key))
        .map((key) => `${name}[${at}].${key}`),
    );
  return [...unknown("model", models, modelKeys), ...unknown("layer", layers, layerKeys)];
}

type Item = readonly [path: string, value: JsonObject];

function objectsAt(
  file: JsonObject,
  key: string,
  most: number,
): { readonly items: readonly Item[]; readonly faults: readonly JsonFault[] } {
  const list = file[key];
  if (!Array.isArray(list) || list.length === 0 || list.length > most) {
    const expected = most === 1 ? "a list of one object" : `a list of 1 to ${most} objects`;
    const got = Array.isArray(list) ? `${list.length} entries` : shown(list);
    return { items: [], faults: [{ path: key, expected, got }] };
  }
  const all: readonly JsonValue[] = list;
  const items = all.flatMap((item, at): readonly Item[] =>
    isObject(item) ? [[`${key}[${at}]`, item]] : [],
  );
  const faults = all.flatMap((item, at) =>
    isObject(item) ? [] : [fault(`${key}[${at}]`, "an object", item)],
  );
  return { items, faults };
}

function fault(path: string, expected: string, got: JsonValue | undefined): JsonFault {
  return { path, expected, got: shown(got) };
}

function fieldFaults(
  path: string,
  item: JsonObject,
  checks: ReadonlyMap<string, Check>,
  required: readonly string[],
): readonly JsonFault[] {
  return [...checks].flatMap(([key, check]) => {
    const value = Object.hasOwn(item, key) ? item[key] : undefined;
    const missing = value === undefined;
    if (missing && !required.includes(key)) return [];
    const expected = check(value ?? null);
    return expected === undefined ? [] : [fault(`${path}.${key}`, expected, value)];
  });
}

/** Faults of the fields; of a layer without any, what its fields say against each other. */
function layerFaults(path: string, layer: JsonObject): readonly JsonFault[] {
  const faults = fieldFaults(path, layer, layerKeys, requiredLayerKeys);
  const wrong = new Set(faults.map((one) => one.path));
  const good = (key: string) => !wrong.has(`${path}.${key}`);
  if (!good("sublayer_number")) return faults;
  const count = Number(layer["sublayer_number"]);
  return [
    ...faults,
    ...["one_coef", "scaling"].filter(good).flatMap((key) => lengthFault(path, layer, key, count)),
    ...(good("resnet_shortcut_start_layers") ? shortcutFaults(path, layer, count) : []),
    ...(good("one_coef") ? depthwiseFaults(path, layer) : []),
  ];
}

function lengthFault(
  path: string,
  layer: JsonObject,
  key: string,
  count: number,
): readonly JsonFault[] {
  const list = numbersAt(layer, key);
  if (list === undefined || list.length === count) return [];
  const expected = `${count} entries, as sublayer_number says`;
  return [{ path: `${path}.${key}`, expected, got: `${list.length} entries` }];
}

/** A shortcut takes two sublayers inside the major layer, and none of the next shortcut's. */
function shortcutFaults(path: string, layer: JsonObject, count: number): readonly JsonFault[] {
  const starts = numbersAt(layer, "resnet_shortcut_start_layers") ?? [];
  return starts.flatMap((start, at) => {
    const place = `${path}.resnet_shortcut_start_layers[${at}]`;
    const before = starts[at - 1];
    if (start + 1 > count) {
      return [fault(place, `a sublayer before ${count}, the last: it spans two`, start)];
    }
    if (before !== undefined && start < before + 2) {
      return [fault(place, `${before + 2} or more, behind the shortcut before it`, start)];
    }
    return [];
  });
}

/** A sublayer within each channel cannot change the number of channels: some other has to. */
function depthwiseFaults(path: string, layer: JsonObject): readonly JsonFault[] {
  const codes = numbersAt(layer, "one_coef");
  const same = layer["input_channels"] === layer["output_channels"];
  if (layer["depth_enable"] !== true || codes === undefined || same || codes.includes(1)) return [];
  const expected = "a 1 where the channels change, or input_channels equal to output_channels";
  return [fault(`${path}.one_coef`, expected, codes)];
}

function numbersAt(layer: JsonObject, key: string): readonly number[] | undefined {
  const value = layer[key];
  return Array.isArray(value) ? value.map(Number) : undefined;
}

/** A model gives all sublayers of a major layer or its last one, never both ways. */
function outputModeFaults(layers: readonly Item[]): readonly JsonFault[] {
  const learning = layers.find(([, layer]) => layer["learning"] === true);
  const last = layers.find(([, layer]) => layer["last_layer_out"] === true);
  if (learning === undefined || last === undefined) return [];
  const expected = `false, as ${learning[0]}.learning is true: one output mode in a model`;
  return [fault(`${last[0]}.last_layer_out`, expected, true)];
}
