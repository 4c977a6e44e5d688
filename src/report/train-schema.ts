/**
 * JSON Schema of the reports in `train.ts`.
 */
import { type JsonSchema, list, orNull, pair, record } from "./json-schema.ts";
import type { ReportWarning } from "./reports.ts";
import type {
  CurvePoint,
  TestAccuracy,
  TestReport,
  TrainOutput,
  TrainReport,
  TrainTest,
} from "./train.ts";

const text: JsonSchema = { type: "string" };
const bool: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const numberOrNull: JsonSchema = { type: ["number", "null"] };
const count: JsonSchema = { type: "integer", minimum: 0 };
const percent: JsonSchema = { type: "number", minimum: 0, maximum: 100 };
const seconds: JsonSchema = { type: "number", minimum: 0 };
const texts: JsonSchema = list(text);
const warnings: JsonSchema = list(
  record<ReportWarning>({ id: text, message: text, where: { type: ["string", "null"] } }),
);
const outputs: JsonSchema = list(
  record<TrainOutput>({ name: text, value: numberOrNull, weight: numberOrNull }),
);

export const trainSchema: JsonSchema = record<TrainReport>({
  schema: { const: "inlay.train/1" },
  solver: text,
  network: text,
  nets: texts,
  images: text,
  from: texts,
  began: count,
  iterations: count,
  maxIterations: count,
  stopped: bool,
  seconds,
  secondsPerIteration: orNull(seconds),
  loss: numberOrNull,
  outputs,
  tests: list(record<TrainTest>({ iteration: count, net: count, outputs })),
  best: orNull(
    record<NonNullable<TrainReport["best"]>>({ iteration: count, name: text, value: number }),
  ),
  curve: list(record<CurvePoint>({ iteration: count, loss: numberOrNull, rate: number })),
  snapshots: texts,
  files: texts,
  seed: { type: "integer" },
  threads: count,
  device: text,
  warnings,
});

export const testSchema: JsonSchema = record<TestReport>({
  schema: { const: "inlay.test/1" },
  model: text,
  weights: texts,
  images: text,
  iterations: count,
  samples: count,
  loss: numberOrNull,
  outputs,
  accuracies: list(
    record<TestAccuracy>({
      name: text,
      count,
      total: count,
      percent,
      interval: pair(percent),
    }),
  ),
  stopped: bool,
  seconds,
  warnings,
});
