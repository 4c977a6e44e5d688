/**
 * JSON Schema of the reports in `dataset.ts`.
 */
import type {
  DatasetLmdbReport,
  DatasetShowReport,
  LabelCount,
  SampleRow,
  SizeCount,
} from "./dataset.ts";
import { type JsonSchema, list, oneOf, orNull, record } from "./json-schema.ts";
import type { ReportWarning } from "./reports.ts";

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const number: JsonSchema = { type: "number" };
const count: JsonSchema = { type: "integer", minimum: 0 };
const countOrNull: JsonSchema = { type: ["integer", "null"], minimum: 0 };
const warnings: JsonSchema = list(
  record<ReportWarning>({ id: text, message: text, where: textOrNull }),
);
const labels: JsonSchema = list(
  record<LabelCount>({ label: countOrNull, name: textOrNull, count }),
);

export const datasetShowSchema: JsonSchema = record<DatasetShowReport>({
  schema: { const: "inlay.dataset-show/1" },
  source: text,
  samples: count,
  labelled: count,
  classes: orNull(list(text)),
  labels,
  looked: count,
  sizes: list(record<SizeCount>({ width: count, height: count, channels: count, count })),
  mean: orNull(list(number)),
  std: orNull(list(number)),
  first: list(
    record<SampleRow>({
      name: text,
      label: countOrNull,
      width: countOrNull,
      height: countOrNull,
      channels: countOrNull,
    }),
  ),
  unreadable: record<DatasetShowReport["unreadable"]>({
    count,
    samples: list(
      record<DatasetShowReport["unreadable"]["samples"][number]>({ name: text, reason: text }),
    ),
  }),
  warnings,
});

export const datasetLmdbSchema: JsonSchema = record<DatasetLmdbReport>({
  schema: { const: "inlay.dataset-lmdb/1" },
  source: text,
  out: text,
  files: list(text),
  records: count,
  width: count,
  height: count,
  channels: count,
  encoding: oneOf("raw", "encoded"),
  kept: count,
  shuffleSeed: { type: ["integer", "null"] },
  labels,
  bytes: count,
  mean: list(number),
  warnings,
});
