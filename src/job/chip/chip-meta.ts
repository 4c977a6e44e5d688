/**
 * What travels in a chip image beside its integer graph: which sublayer is which, what levels stand for, and how
 * pictures are brought in. Whoever reads it may not trust it: parseMeta checks every field.
 */
import {
  either,
  type Guard,
  isCount,
  isInteger,
  isNumber,
  isPositive,
  isString,
  listOf,
  oneOf,
  optional,
  recordOf,
} from "../../chips/gti/files/guards.ts";
import type { ImageMeta } from "../../chips/gti/files/image.ts";
import type { JsonObject } from "../../chips/gti/json-text.ts";
import { checkPreprocess, type Preprocess, type Resize } from "../../data/preprocess.ts";
import { InlayError, inputError } from "../../error.ts";

/** A sublayer of the chip. */
export type MetaSublayer = {
  /** Id of the convolution; its values have the id `output` in the graph. */
  readonly conv: string;
  readonly output: string;
  /** Counted from 1, over one chip; 0 where the network has no major layers. */
  readonly major: number;
  readonly sublayer: number;
  readonly coefficientBits: number;
  readonly shift: number;
  /** Real value of the largest level. */
  readonly cap: number;
};

/** A value that leaves the chip. */
export type MetaOutput = {
  readonly id: string;
  /** Levels in 1.0 of the chip's own units, in which the host takes the value. */
  readonly levelsPerUnit: number;
};

export type ChipMeta = {
  readonly chipType: number;
  /** The network's name. */
  readonly network: string;
  /** Place in the cascade, from 1, and how many there are. */
  readonly chip: number;
  readonly chips: number;
  /** `picture`: bytes, reduced by the chip. `host`: values that the host computes. `chip`: levels of the one before. */
  readonly entry: "picture" | "host" | "chip";
  readonly sublayers: readonly MetaSublayer[];
  readonly outputs: readonly MetaOutput[];
  /** How pictures become the network's input; what of it is arithmetic is folded in where pictures enter a chip. */
  readonly preprocess: MetaPreprocess;
  /** Rules that were waived and broken: then no chip can run this. */
  readonly waived: readonly string[];
};

/** A `Preprocess` without a mean image. */
export type MetaPreprocess = Omit<Preprocess, "mean"> & { readonly mean: readonly number[] };

const mostLayers = 100_000;
const mostValues = 64;

const isResize: Guard<Resize> = either(
  recordOf<Extract<Resize, { kind: "shorter" }>>({ kind: oneOf("shorter"), size: isPositive }),
  recordOf<Extract<Resize, { kind: "exact" }>>({
    kind: oneOf("exact"),
    width: isPositive,
    height: isPositive,
  }),
);

const isPreprocess: Guard<MetaPreprocess> = recordOf<MetaPreprocess>({
  color: oneOf("auto", "color", "gray"),
  resize: optional(isResize) as Guard<Resize>,
  crop: optional(isPositive) as Guard<number>,
  resizeAfter: optional(isPositive) as Guard<number>,
  order: oneOf("rgb", "bgr"),
  mean: listOf(isNumber, mostValues),
  scale: isNumber,
  std: listOf(isNumber, mostValues),
});

const isSublayer: Guard<MetaSublayer> = recordOf<MetaSublayer>({
  conv: isString,
  output: isString,
  major: isCount,
  sublayer: isCount,
  coefficientBits: isPositive,
  shift: isInteger,
  cap: isNumber,
});

const isLevelCount: Guard<number> = (value): value is number => isPositive(value) && value <= 1024;

const isMeta: Guard<ChipMeta> = recordOf<ChipMeta>({
  chipType: isCount,
  network: isString,
  chip: isPositive,
  chips: isPositive,
  entry: oneOf("picture", "host", "chip"),
  sublayers: listOf(isSublayer, mostLayers),
  outputs: listOf(recordOf<MetaOutput>({ id: isString, levelsPerUnit: isLevelCount }), mostLayers),
  preprocess: isPreprocess,
  waived: listOf(isString, mostValues),
});

/** As `encodeChipImage` takes it: fields without a value left out. */
export function imageMeta(meta: ChipMeta): ImageMeta {
  return JSON.parse(JSON.stringify(meta)) as JsonObject & { readonly chipType: number };
}

/** The fields of an image's meta. An input error where one is missing or wrong, or none of ours. */
export function parseMeta(meta: ImageMeta, where: string): ChipMeta {
  if (isMeta(meta)) return checked(meta, where);
  throw inputError("the chip image lacks what a simulation needs", {
    where,
    expected: "sublayers, outputs, entry and preprocess in its meta",
    hint: "Convert the network again",
  });
}

function checked(meta: ChipMeta, where: string): ChipMeta {
  try {
    checkPreprocess(meta.preprocess);
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    throw new InlayError({ ...error.fields, kind: "input", where });
  }
  return meta;
}
