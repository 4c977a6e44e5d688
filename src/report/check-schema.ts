/**
 * The report of `inlay check` as JSON Schema; schema.ts has the others.
 */
import type {
  CheckChip,
  CheckDifference,
  CheckLimit,
  CheckMajorLayer,
  CheckReport,
  CheckSublayer,
  CheckViolation,
} from "./check.ts";
import { type JsonSchema, list, oneOf, orNull, record } from "./json-schema.ts";

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const bool: JsonSchema = { type: "boolean" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const countOrNull: JsonSchema = { type: ["integer", "null"], minimum: 0 };
const positive: JsonSchema = { type: "integer", minimum: 1 };
const texts: JsonSchema = list(text);

const limit: JsonSchema = record<CheckLimit>({ value: count, certain: bool });

const violation: JsonSchema = record<CheckViolation>({
  rule: text,
  node: text,
  limit: text,
  found: text,
  hint: text,
  waived: bool,
});

const sublayer: JsonSchema = record<CheckSublayer>({
  name: text,
  output: text,
  kind: oneOf("full", "pointwise", "depthwise"),
  inputChannels: count,
  outputChannels: count,
  kernelsPerSlot: positive,
  slots: count,
  cumulativeSlots: count,
  volume: count,
});

const majorLayer: JsonSchema = record<CheckMajorLayer>({
  imageSize: count,
  inputChannels: count,
  outputChannels: count,
  coefficientBits: positive,
  pooling: { enum: ["max", "sample", null] },
  upsampling: { enum: ["repeat", "zeros", null] },
  shortcutStarts: list(positive),
  gives: { enum: ["all sublayers", "the last sublayer", null] },
  tenBits: bool,
  slots: count,
  largestVolume: count,
  sublayers: list(sublayer),
});

const chip: JsonSchema = record<CheckChip>({
  first: text,
  last: text,
  majorLayers: positive,
  sublayers: positive,
  slots: count,
});

const difference: JsonSchema = record<CheckDifference>({
  major: countOrNull,
  key: text,
  json: text,
  network: text,
});

export const check: JsonSchema = record<CheckReport>({
  schema: { const: "inlay.check/1" },
  model: text,
  source: texts,
  target: text,
  verdict: oneOf("fits", "not deployable", "does not fit"),
  options: record<CheckReport["options"]>({
    bitsFrom: oneOf("command", "network JSON", "default"),
    bitsNote: text,
    activationBits: positive,
    lastTenBits: bool,
    chips: positive,
    waived: texts,
  }),
  convolutions: record<CheckReport["convolutions"]>({ chip: count, all: count }),
  violations: list(violation),
  host: list(record<CheckReport["host"][number]>({ name: text, op: text, why: text })),
  chipInputs: texts,
  chipOutputs: texts,
  majorLayers: list(majorLayer),
  noLayout: textOrNull,
  memory: orNull(
    record<NonNullable<CheckReport["memory"]>>({
      slots: count,
      slotLimit: limit,
      largestVolume: count,
      volumeLimit: orNull(limit),
    }),
  ),
  cascade: orNull(list(chip)),
  noCascade: textOrNull,
  network: orNull(
    record<NonNullable<CheckReport["network"]>>({
      file: text,
      differences: orNull(list(difference)),
    }),
  ),
  warnings: list(
    record<CheckReport["warnings"][number]>({ id: text, message: text, where: textOrNull }),
  ),
});
