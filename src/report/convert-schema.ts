/**
 * The reports of `inlay convert` and of a model's run as JSON Schema; schema.ts has the others.
 */
import { bitMatch } from "./bit-match-schema.ts";
import type { ChipAccuracy, ConvertLayer, ConvertReport } from "./convert.ts";
import { type JsonSchema, list, oneOf, orNull, pair, record } from "./json-schema.ts";
import type { PredictedClass, PredictReport } from "./predict.ts";

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const bool: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const integer: JsonSchema = { type: "integer" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const countOrNull: JsonSchema = { type: ["integer", "null"], minimum: 0 };
const positive: JsonSchema = { type: "integer", minimum: 1 };
const texts: JsonSchema = list(text);
const warnings: JsonSchema = list(
  record<ConvertReport["warnings"][number]>({ id: text, message: text, where: textOrNull }),
);

const layer: JsonSchema = record<ConvertLayer>({
  name: text,
  chip: positive,
  major: countOrNull,
  sublayer: countOrNull,
  coefficientBits: positive,
  shift: integer,
  maxWeight: number,
  maxBias: number,
  cap: number,
  copies: positive,
  accumulatorBits: countOrNull,
});

const percent: JsonSchema = { type: "number", minimum: 0, maximum: 100 };
const share: JsonSchema = record<ChipAccuracy["float"]>({
  count,
  percent,
  interval: pair(percent),
});

export const convert: JsonSchema = record<ConvertReport>({
  schema: { const: "inlay.convert/1" },
  model: text,
  source: texts,
  target: text,
  out: text,
  files: texts,
  modelFile: text,
  image: oneOf("inlay", "vendor"),
  deployable: bool,
  waived: texts,
  chips: positive,
  layers: list(layer),
  editGain: bool,
  scaleFactor: number,
  hostOperations: texts,
  ownOperation: textOrNull,
  labels: countOrNull,
  accumulator: record<ConvertReport["accumulator"]>({ bits: positive, needed: countOrNull }),
  calibration: orNull(
    record<NonNullable<ConvertReport["calibration"]>>({
      method: text,
      images: text,
      samples: count,
    }),
  ),
  accuracy: orNull(
    record<ChipAccuracy>({
      images: text,
      samples: count,
      float: share,
      simulated: share,
      changedImages: count,
    }),
  ),
  bitMatch: orNull(bitMatch),
  warnings,
});

const predicted: JsonSchema = record<PredictedClass>({
  index: count,
  id: textOrNull,
  name: textOrNull,
  score: number,
});

export const predict: JsonSchema = record<PredictReport>({
  schema: { const: "inlay.predict/1" },
  model: text,
  target: text,
  images: text,
  deployable: bool,
  waived: texts,
  accumulator: orNull(
    record<NonNullable<PredictReport["accumulator"]>>({ bits: positive, overflow: text }),
  ),
  pictures: list(
    record<PredictReport["pictures"][number]>({
      name: text,
      label: countOrNull,
      best: list(predicted),
    }),
  ),
  warnings,
});
