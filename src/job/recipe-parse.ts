/**
 * The text of a recipe -> `Recipe`. What the keys mean is written in `recipe.ts`.
 */
import { targets } from "../chips/registry.ts";
import { defaultPreprocess, type Preprocess, type Resize } from "../data/preprocess.ts";
import type { Device } from "../engine/runtime.ts";
import { inputError } from "../error.ts";
import { defaultQuantizeOptions, type QuantizeOptions } from "../quantize/options.ts";
import { defaultCalibrationMethod, defaultThresholdDb } from "./defaults.ts";
import type { CalibrationMethod, ImageOptions } from "./options.ts";
import type { Recipe, RecipeCommand, RecipeOverrides } from "./recipe.ts";
import { chipOf, type RecipeChip } from "./recipe-chip.ts";
import { type Entry, knownFields, parseEntries, wrong } from "./recipe-entry.ts";
import {
  choiceOf,
  defined,
  flagOf,
  integerOf,
  listOf,
  numberOf,
  optional,
  textOf,
} from "./recipe-values.ts";

const commands: readonly RecipeCommand[] = [
  "inspect",
  "calibrate",
  "evaluate",
  "quantize",
  "compare",
];
const methods: readonly CalibrationMethod[] = [
  "minmax",
  "movingAverage",
  "percentile",
  "entropy",
  "mse",
];
const devices: readonly Device[] = ["cpu", "webgpu", "cuda"];

const keys = [
  "model",
  "calibrate",
  "evaluate",
  "compare",
  "preprocess",
  "target",
  "chip",
  "method",
  "options",
  "threshold",
  "seed",
  "threads",
  "device",
  "steps",
  "out",
] as const;

/** Turns a path of the recipe into one that can be opened. */
export type Locate = (path: string) => string;

/** The recipe in a text; `file` names it in errors, which have line and column. Reads no other file. */
export async function parseRecipe(text: string, file: string, locate: Locate): Promise<Recipe> {
  const root = await parseEntries(text, file);
  const fields = knownFields(root, keys);
  const path = (entry: Entry): string => locate(textOf(entry));
  const images = (entry: Entry): ImageOptions => imagesOf(entry, path);
  const evaluate = optional(fields.evaluate, images);
  const preprocessing = preprocessOf(fields.preprocess, path);
  const { target, chip } = targetOf(fields, path);
  const isChip = chip !== undefined;
  const recipe = {
    model: listOf(needed(fields.model, "model", root), path),
    ...defined({
      calibrate: optional(fields.calibrate, images),
      evaluate,
      compare: optional(fields.compare, images),
    }),
    ...preprocessing,
    target,
    ...defined({ chip }),
    method:
      optional(fields.method, (entry) => choiceOf(entry, methods)) ?? defaultCalibrationMethod,
    options: optionsOf(fields.options, isChip),
    thresholdDb: optional(fields.threshold, numberOf) ?? defaultThresholdDb,
    context: contextOf(fields),
    steps:
      optional(fields.steps, (entry) => stepsOf(entry, commandsFor(isChip))) ??
      defaultSteps(evaluate, commandsFor(isChip)),
    out: path(needed(fields.out, "out", root)),
  };
  checkPictures(recipe, fields.steps ?? root);
  return recipe;
}

export function needed(entry: Entry | undefined, key: string, root: Entry): Entry {
  if (entry !== undefined) return entry;
  throw inputError(`the recipe has no "${key}"`, { where: root.where });
}

/** What a recipe says of how to run. */
export function contextOf(
  fields: Readonly<Partial<Record<"seed" | "threads" | "device", Entry>>>,
): RecipeOverrides {
  return defined({
    seed: optional(fields.seed, integerOf),
    threads: optional(fields.threads, (entry) => integerOf(entry, 0, 1024)),
    device: optional(fields.device, (entry) => choiceOf(entry, devices)),
  });
}

/** Every form of target has its own questions. */
function targetOf(
  fields: Readonly<Partial<Record<"target" | "chip" | "method", Entry>>>,
  path: (entry: Entry) => string,
): { readonly target: string; readonly chip: RecipeChip | undefined } {
  const names = targets.map(({ name }) => name);
  const name = optional(fields.target, (entry) => choiceOf(entry, names)) ?? "int8";
  const isChip = targets.find((one) => one.name === name)?.form === "layered";
  if (!isChip && fields.chip !== undefined) {
    throw inputError(`the target ${name} has no "chip"`, {
      where: fields.chip.keyWhere,
      hint: "Name the chip as the target: gti2801, gti2803 or gti5801",
    });
  }
  return { target: name, chip: isChip ? chipOf(fields, path) : undefined };
}

/** Of a chip the layers are compared by `inlay bit-match`. */
function commandsFor(isChip: boolean): readonly RecipeCommand[] {
  return isChip ? commands.filter((name) => name !== "compare") : commands;
}

function defaultSteps(
  evaluate: ImageOptions | undefined,
  known: readonly RecipeCommand[],
): readonly RecipeCommand[] {
  return known
    .filter((name) => name !== "calibrate" && (name !== "evaluate" || evaluate !== undefined))
    .toSorted((a, b) => order(a) - order(b));
}

/** By default accuracy is that of the integers: behind quantize. */
function order(name: RecipeCommand): number {
  return ["inspect", "calibrate", "quantize", "evaluate", "compare"].indexOf(name);
}

/** Each step once, `evaluate` once before and once after `quantize`. */
function stepsOf(entry: Entry, known: readonly RecipeCommand[]): readonly RecipeCommand[] {
  const items = entry.items() ?? [entry];
  if (items.length === 0) throw wrong(entry, `some of ${known.join(", ")}`);
  const seen = new Set<string>();
  return items.map((item) => {
    const name = choiceOf(item, known);
    const isSecond = name === "evaluate" && seen.has("quantize");
    const id = isSecond ? "evaluate after quantize" : name;
    if (seen.has(id)) throw wrong(item, "each step once, and evaluate on either side of quantize");
    seen.add(id);
    return name;
  });
}

function checkPictures(
  recipe: Pick<Recipe, "steps" | "calibrate" | "evaluate" | "compare">,
  at: Entry,
): void {
  const { steps, calibrate, evaluate, compare } = recipe;
  const available: Readonly<Record<RecipeCommand, unknown>> = {
    inspect: true,
    calibrate,
    quantize: calibrate,
    evaluate,
    compare: compare ?? evaluate ?? calibrate,
  };
  const bare = steps.find((name) => available[name] === undefined);
  if (bare === undefined) return;
  throw inputError(`the step "${bare}" has no pictures`, {
    where: at.where,
    expected: `the key "${bare === "quantize" ? "calibrate" : bare}"`,
  });
}

export function imagesOf(entry: Entry, path: (entry: Entry) => string): ImageOptions {
  if (entry.fields() === undefined) return { path: path(entry) };
  const fields = knownFields(entry, ["path", "root", "labels", "split", "part", "limit"]);
  return {
    path: path(needed(fields.path, "path", entry)),
    ...defined({
      root: optional(fields.root, path),
      labels: optional(fields.labels, path),
      split: optional(fields.split, shareOf),
      part: optional(fields.part, (part) => choiceOf(part, ["first", "second"] as const)),
      limit: optional(fields.limit, (limit) => integerOf(limit, 1)),
    }),
  };
}

export function shareOf(entry: Entry): number {
  const share = numberOf(entry);
  if (share <= 0 || share >= 1) throw wrong(entry, "a share between 0 and 1");
  return share;
}

export function preprocessOf(
  entry: Entry | undefined,
  path: (entry: Entry) => string,
): Pick<Recipe, "preprocess" | "meanFile"> {
  if (entry === undefined) return { preprocess: defaultPreprocess };
  const fields = knownFields(entry, [
    "color",
    "resize",
    "crop",
    "resizeAfter",
    "order",
    "mean",
    "scale",
    "std",
  ]);
  const side = (field: Entry): number => integerOf(field, 1, 16_384);
  const isFile = typeof fields.mean?.value === "string";
  const given: Partial<Preprocess> = defined({
    color: optional(fields.color, (field) => choiceOf(field, ["auto", "color", "gray"] as const)),
    resize: optional(fields.resize, resizeOf),
    crop: optional(fields.crop, side),
    resizeAfter: optional(fields.resizeAfter, side),
    order: optional(fields.order, (field) => choiceOf(field, ["rgb", "bgr"] as const)),
    mean: isFile ? undefined : optional(fields.mean, (field) => listOf(field, numberOf)),
    scale: optional(fields.scale, fractionOf),
    std: optional(fields.std, (field) => listOf(field, positiveOf)),
  });
  return {
    preprocess: { ...defaultPreprocess, ...given },
    ...defined({ meanFile: isFile ? optional(fields.mean, path) : undefined }),
  };
}

/** `256`, or `320x240`. */
function resizeOf(entry: Entry): Resize {
  const [, width, height] = /^(\d{1,5})[x×](\d{1,5})$/i.exec(String(entry.value)) ?? [];
  if (width !== undefined && height !== undefined) {
    return { kind: "exact", width: Number(width), height: Number(height) };
  }
  if (typeof entry.value !== "number") throw wrong(entry, "256, or WIDTHxHEIGHT");
  return { kind: "shorter", size: integerOf(entry, 1, 16_384) };
}

/** A number other than 0, or `1/255`. */
function fractionOf(entry: Entry): number {
  const [, above, below] = /^([\d.]+)\s*\/\s*([\d.]+)$/.exec(String(entry.value)) ?? [];
  const value = above === undefined ? numberOf(entry) : Number(above) / Number(below);
  if (!Number.isFinite(value) || value === 0) throw wrong(entry, "a number other than 0, or 1/255");
  return value;
}

export function positiveOf(entry: Entry): number {
  const value = numberOf(entry);
  if (value <= 0) throw wrong(entry, "a positive number");
  return value;
}

/** A chip fixes the forms of weights and activations itself. */
function optionsOf(entry: Entry | undefined, isChip: boolean): QuantizeOptions {
  if (entry === undefined) return defaultQuantizeOptions;
  const base = defaultQuantizeOptions;
  if (isChip) knownFields(entry, ["biasCorrection"]);
  const fields = knownFields(entry, ["weights", "activations", "biasCorrection"]);
  return {
    weights: { ...base.weights, ...optional(fields.weights, weightsOf) },
    activations: { ...base.activations, ...optional(fields.activations, activationsOf) },
    biasCorrection: optional(fields.biasCorrection, flagOf) ?? base.biasCorrection,
  };
}

function weightsOf(entry: Entry): Partial<QuantizeOptions["weights"]> {
  const fields = knownFields(entry, ["unit", "powerOfTwo"]);
  return defined({
    unit: optional(fields.unit, (unit) => choiceOf(unit, ["channel", "tensor"] as const)),
    powerOfTwo: optional(fields.powerOfTwo, flagOf),
  });
}

function activationsOf(entry: Entry): Partial<QuantizeOptions["activations"]> {
  const fields = knownFields(entry, ["signed", "symmetric", "powerOfTwo"]);
  return defined({
    signed: optional(fields.signed, flagOf),
    symmetric: optional(fields.symmetric, flagOf),
    powerOfTwo: optional(fields.powerOfTwo, flagOf),
  });
}
