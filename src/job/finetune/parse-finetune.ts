/**
 * A recipe of `inlay finetune`: the text -> a job. Keys mean what the command's flags mean; augmentation has more here.
 */
import { targets } from "../../chips/registry.ts";
import type { Augmentation } from "../../data/augmentation.ts";
import type { ColorJitter } from "../../data/color-jitter.ts";
import { inputError } from "../../error.ts";
import type { LayerLimits } from "../../train/solver/settings.ts";
import type { ImageOptions } from "../options.ts";
import type { RecipeOverrides } from "../recipe.ts";
import { chipOf } from "../recipe-chip.ts";
import { type Entry, knownFields, parseEntries, wrong } from "../recipe-entry.ts";
import {
  contextOf,
  imagesOf,
  type Locate,
  needed,
  positiveOf,
  preprocessOf,
  shareOf,
} from "../recipe-parse.ts";
import {
  choiceOf,
  defined,
  flagOf,
  integerOf,
  listOf,
  numberOf,
  optional,
  textOf,
} from "../recipe-values.ts";
import {
  classStages,
  defaultStages,
  type FinetuneJob,
  type StagePlan,
  stageNames,
} from "./fine-tune.ts";

const keys = [
  ...(["model", "target", "chip", "preprocess", "train", "test", "classes", "split"] as const),
  ...(["fromScratch", "epochs", "rates", "batch", "momentum", "weightDecay", "augment"] as const),
  ...(["distill", "learnCaps", "clipBias", "maxNorm"] as const),
  ...(["seed", "threads", "device", "out"] as const),
];

export type FinetuneRecipe = {
  readonly job: FinetuneJob;
  /** What the recipe says of how to run, over the command's own. */
  readonly context: RecipeOverrides;
};

/** The job of a recipe; `file` names it in errors, which have line and column. Reads no other file. */
export async function parseFinetune(
  text: string,
  file: string,
  locate: Locate,
): Promise<FinetuneRecipe> {
  const root = await parseEntries(text, file);
  const fields = knownFields(root, keys);
  const path = (entry: Entry): string => locate(textOf(entry));
  const { preprocess, meanFile } = preprocessOf(fields.preprocess, path);
  if (meanFile !== undefined) {
    throw inputError("a chip subtracts no mean image", {
      where: fields.preprocess?.where,
      hint: "Give the mean per channel",
    });
  }
  const { chip, labels } = chipOf(fields.chip === undefined ? {} : { chip: fields.chip }, path);
  const layered = targets.filter(({ form }) => form === "layered").map(({ name }) => name);
  const fromScratch = optional(fields.fromScratch, flagOf) ?? false;
  const count = (entry: Entry): number => integerOf(entry, 1, 2 ** 20);
  const job: FinetuneJob = {
    model: listOf(needed(fields.model, "model", root), path),
    target: choiceOf(needed(fields.target, "target", root), layered),
    ...{ chip, preprocess, ...picturesOf(fields, root, path), ...defined({ labels }) },
    ...{ ownClasses: fields.classes !== undefined, fromScratch },
    stages: stagesOf(fields, fromScratch),
    batch: optional(fields.batch, count) ?? 32,
    momentum: optional(fields.momentum, atLeastZero) ?? 0.9,
    weightDecay: optional(fields.weightDecay, atLeastZero) ?? 0.0001,
    augment: optional(fields.augment, augmentationOf) ?? {},
    ...defined({ distill: optional(fields.distill, distillOf), limits: limitsOf(fields) }),
    learnCaps: optional(fields.learnCaps, flagOf) ?? false,
    out: path(needed(fields.out, "out", root)),
  };
  return { job, context: contextOf(fields) };
}

type Fields = Readonly<Partial<Record<(typeof keys)[number], Entry>>>;

/** Train and test, or the two parts of one folder of classes. */
function picturesOf(
  { train, test, classes, split }: Fields,
  root: Entry,
  path: (entry: Entry) => string,
): Pick<FinetuneJob, "train" | "test"> {
  if (classes === undefined) {
    const images = (entry: Entry): ImageOptions => imagesOf(entry, path);
    return {
      train: images(needed(train, "train", root)),
      test: images(needed(test, "test", root)),
    };
  }
  if (train !== undefined || test !== undefined) {
    throw wrong(classes, "no classes where train and test are named");
  }
  const share = optional(split, shareOf) ?? 0.8;
  const part = (which: "first" | "second"): ImageOptions => ({
    ...{ path: path(classes), split: share, part: which },
  });
  return { train: part("first"), test: part("second") };
}

function stagesOf({ classes, epochs, rates }: Fields, fromScratch: boolean): FinetuneJob["stages"] {
  const usual = classes !== undefined && !fromScratch ? classStages : defaultStages;
  const planned = optional(epochs, (entry) => perStage(entry));
  const told = optional(rates, (entry) => perStage(entry));
  const plans = stageNames.map((name): readonly [string, StagePlan] => {
    const first = name === "float" && fromScratch ? 15 : usual[name].epochs;
    return [
      name,
      { epochs: planned?.get(name) ?? first, rate: told?.get(name) ?? usual[name].rate },
    ];
  });
  return Object.fromEntries(plans) as FinetuneJob["stages"];
}

/** `[0, 1, 2, 1]`, or `{float: 0, fused: 1}` for some of the steps. */
function perStage(entry: Entry): ReadonlyMap<string, number> {
  const items = entry.items();
  if (items !== undefined) {
    if (items.length !== stageNames.length) throw wrong(entry, `${stageNames.length} numbers`);
    return new Map(items.map((item, at) => [stageNames[at] ?? "", atLeastZero(item)]));
  }
  const fields = knownFields(entry, stageNames);
  return new Map(
    stageNames.flatMap((name) => {
      const field = fields[name];
      return field === undefined ? [] : [[name, atLeastZero(field)] as const];
    }),
  );
}

function augmentationOf(entry: Entry): Augmentation {
  const names = ["resizedCrop", "padAndCrop", "crop", "flip", "colorJitter"] as const;
  const fields = knownFields(entry, names);
  const side = (field: Entry): number => integerOf(field, 0, 16_384);
  return defined({
    resizedCrop: optional(fields.resizedCrop, resizedCropOf),
    padAndCrop: optional(fields.padAndCrop, (field) => ({ pad: side(field) })),
    crop: optional(fields.crop, (field) => ({ size: side(field), place: "random" as const })),
    flip: optional(fields.flip, flagOf),
    colorJitter: optional(fields.colorJitter, jitterOf),
  });
}

function resizedCropOf(entry: Entry): NonNullable<Augmentation["resizedCrop"]> {
  const fields = knownFields(entry, ["size", "scale", "ratio"]);
  return {
    size: integerOf(needed(fields.size, "size", entry), 1, 16_384),
    scale: optional(fields.scale, pairOf) ?? [0.08, 1],
    ratio: optional(fields.ratio, pairOf) ?? [3 / 4, 4 / 3],
  };
}

function pairOf(entry: Entry): readonly [number, number] {
  const [low, high, ...more] = (entry.items() ?? []).map(numberOf);
  if (low === undefined || high === undefined || more.length > 0) throw wrong(entry, "[min, max]");
  return [low, high];
}

function jitterOf(entry: Entry): ColorJitter {
  const fields = knownFields(entry, ["brightness", "contrast", "saturation"]);
  return {
    brightness: optional(fields.brightness, numberOf) ?? 0,
    contrast: optional(fields.contrast, numberOf) ?? 0,
    saturation: optional(fields.saturation, numberOf) ?? 0,
  };
}

function distillOf(entry: Entry): NonNullable<FinetuneJob["distill"]> {
  const fields = knownFields(entry, ["share", "temperature"]);
  return {
    share: optional(fields.share, shareOf) ?? 0.5,
    temperature: optional(fields.temperature, positiveOf) ?? 4,
  };
}

function limitsOf({ clipBias, maxNorm }: Fields): LayerLimits | undefined {
  const clips = optional(clipBias, flagOf) ?? false;
  const norm = optional(maxNorm, positiveOf);
  return clips || norm !== undefined ? { clipBias: clips, maxNorm: norm } : undefined;
}

function atLeastZero(entry: Entry): number {
  const value = numberOf(entry);
  if (value < 0) throw wrong(entry, "a number, 0 at least");
  return value;
}
