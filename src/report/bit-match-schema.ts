/**
 * The report of a bit match as JSON Schema; schema.ts has the others.
 */
import type {
  BitMatchCause,
  BitMatchDifference,
  BitMatchLayer,
  BitMatchPicture,
  BitMatchReport,
  BitMatchSum,
  BitMatchTerm,
} from "./bit-match.ts";
import { type JsonSchema, list, orNull, record } from "./json-schema.ts";

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const bool: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const countOrNull: JsonSchema = { type: ["integer", "null"], minimum: 0 };
const positive: JsonSchema = { type: "integer", minimum: 1 };
const texts: JsonSchema = list(text);

const picture: JsonSchema = record<BitMatchPicture>({
  name: text,
  isEqual: bool,
  values: count,
  equalValues: count,
});

const layer: JsonSchema = record<BitMatchLayer>({
  name: text,
  chip: positive,
  major: countOrNull,
  sublayer: countOrNull,
  values: count,
  equalValues: countOrNull,
  output: { enum: ["learning", "last_layer_out", "last layer", null] },
});

const term: JsonSchema = record<BitMatchTerm>({
  channel: count,
  row: count,
  column: count,
  expectedInput: number,
  expectedWeight: number,
  gotInput: number,
  gotWeight: number,
});

const sum: JsonSchema = record<BitMatchSum>({
  products: number,
  bias: number,
  identity: orNull(record<NonNullable<BitMatchSum["identity"]>>({ value: number, factor: number })),
  accumulator: number,
  shift: number,
  rounded: number,
  top: count,
  level: count,
});

const difference: JsonSchema = record<BitMatchDifference>({
  layer: text,
  chip: positive,
  major: countOrNull,
  sublayer: countOrNull,
  channel: count,
  row: count,
  column: count,
  expected: number,
  got: count,
  simulated: count,
  terms: list(term),
  reference: sum,
  model: sum,
  causes: list(record<BitMatchCause>({ kind: text, message: text })),
});

export const bitMatch: JsonSchema = record<BitMatchReport>({
  schema: { const: "inlay.bit-match/1" },
  model: text,
  target: text,
  images: text,
  reference: texts,
  dumps: textOrNull,
  accumulator: orNull(
    record<NonNullable<BitMatchReport["accumulator"]>>({ bits: positive, overflow: text }),
  ),
  isEqual: bool,
  matches: count,
  pictures: list(picture),
  layers: orNull(list(layer)),
  difference: orNull(difference),
  out: textOrNull,
  files: texts,
  warnings: list(
    record<BitMatchReport["warnings"][number]>({ id: text, message: text, where: textOrNull }),
  ),
});
