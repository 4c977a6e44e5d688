/**
 * The report of `inlay finetune` as JSON Schema; schema.ts has the others.
 */
import { convert } from "./convert-schema.ts";
import type { FinetuneAccuracy, FinetuneReport, FinetuneStage, FinetuneTest } from "./finetune.ts";
import { type JsonSchema, list, orNull, pair, record } from "./json-schema.ts";

const text: JsonSchema = { type: "string" };
const bool: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const percent: JsonSchema = { type: "number", minimum: 0, maximum: 100 };
const share: JsonSchema = record<FinetuneAccuracy["float"]>({
  count,
  percent,
  interval: pair(percent),
});
const pictures: JsonSchema = record<FinetuneReport["train"]>({ images: text, samples: count });

const test: JsonSchema = record<FinetuneTest>({
  iteration: count,
  correct: count,
  samples: count,
  loss: orNull(number),
});

const stage: JsonSchema = record<FinetuneStage>({
  name: text,
  iterations: count,
  rate: number,
  seconds: { type: "number", minimum: 0 },
  tests: list(test),
  best: orNull(test),
});

export const finetuneSchema: JsonSchema = record<FinetuneReport>({
  schema: { const: "inlay.finetune/1" },
  model: text,
  source: list(text),
  target: text,
  train: pictures,
  test: pictures,
  batch: count,
  seed: { type: "integer" },
  classes: list(text),
  stages: list(stage),
  stopped: bool,
  accuracy: orNull(
    record<FinetuneAccuracy>({
      samples: count,
      float: share,
      trained: share,
      simulated: share,
      differing: count,
    }),
  ),
  bitMatch: orNull(
    record<NonNullable<FinetuneReport["bitMatch"]>>({ pictures: count, matches: count }),
  ),
  convert: orNull(convert),
  warnings: list(
    record<FinetuneReport["warnings"][number]>({
      id: text,
      message: text,
      where: { type: ["string", "null"] },
    }),
  ),
});
