/**
 * JSON Schema of the reports in `mdk.ts`.
 */
import { type JsonSchema, list, oneOf, record } from "./json-schema.ts";
import type {
  CalibrateQuantReluReport,
  CapRow,
  RefineLayer,
  RefineNetworkReport,
  RefineStep,
} from "./mdk.ts";
import type { ReportWarning } from "./reports.ts";

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const bool: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const positive: JsonSchema = { type: "number", minimum: 0 };
const count: JsonSchema = { type: "integer", minimum: 0 };
const warnings: JsonSchema = list(
  record<ReportWarning>({ id: text, message: text, where: textOrNull }),
);

export const calibrateQuantReluSchema: JsonSchema = record<CalibrateQuantReluReport>({
  schema: { const: "inlay.calibrate-quant-relu/1" },
  prototxt: text,
  caffemodel: text,
  images: text,
  samples: count,
  batches: count,
  percentile: { type: "number", minimum: 0, maximum: 1 },
  likeMdk: bool,
  layers: list(record<CapRow>({ layer: text, watched: text, count, value: number, cap: positive })),
  files: list(text),
  warnings,
});

export const refineNetworkSchema: JsonSchema = record<RefineNetworkReport>({
  schema: { const: "inlay.refine-network/1" },
  prototxt: text,
  caffemodel: text,
  inputScale: positive,
  imageMeans: list(number),
  actBits: count,
  lastLayer10bit: bool,
  likeMdk: bool,
  steps: list(
    record<RefineStep>({
      name: oneOf("merge-batch-norm", "merge-input-mean", "edit-gain"),
      done: bool,
      error: { type: ["number", "null"], minimum: 0 },
      layer: textOrNull,
      allowed: positive,
    }),
  ),
  layers: list(
    record<RefineLayer>({
      convolution: text,
      activation: text,
      alpha: positive,
      gainWeights: number,
      gainBias: number,
      maxWeight: positive,
      maxBias: positive,
      chipCap: positive,
    }),
  ),
  scaleFactor: positive,
  removedLayers: list(text),
  addedLayers: list(text),
  files: list(text),
  warnings,
});
