/**
 * The reports as JSON Schema, one per schema id. The compiler holds the field names to the types of
 * `reports.ts`; a snapshot holds the rest.
 */
import { bitMatch } from "./bit-match-schema.ts";
import { check } from "./check-schema.ts";
import { convert, predict } from "./convert-schema.ts";
import { datasetLmdbSchema, datasetShowSchema } from "./dataset-schema.ts";
import { finetuneSchema } from "./finetune-schema.ts";
import { exactDb } from "./json.ts";
import { type JsonSchema, list, oneOf, orNull, pair, record } from "./json-schema.ts";
import { calibrateQuantReluSchema, refineNetworkSchema } from "./mdk-schema.ts";
import type {
  Accuracy,
  CalibrateReport,
  CompareLayer,
  CompareReport,
  DemoReport,
  EvaluateReport,
  Finding,
  Histogram,
  InspectLayer,
  InspectReport,
  JobReport,
  Port,
  QuantizeLayer,
  QuantizeReport,
  RangeRow,
  Report,
  ReportWarning,
  Reproduction,
  RunReport,
  SchemaId,
} from "./reports.ts";
import { testSchema, trainSchema } from "./train-schema.ts";

const text: JsonSchema = { type: "string" };
const textOrNull: JsonSchema = { type: ["string", "null"] };
const bool: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const numberOrNull: JsonSchema = { type: ["number", "null"] };
const integerOrNull: JsonSchema = { type: ["integer", "null"] };
const count: JsonSchema = { type: "integer", minimum: 0 };
const countOrNull: JsonSchema = { type: ["integer", "null"], minimum: 0 };
const percent: JsonSchema = { type: "number", minimum: 0, maximum: 100 };
const percentOrNull: JsonSchema = { type: ["number", "null"], minimum: 0, maximum: 100 };
const seconds: JsonSchema = { type: "number", minimum: 0 };
const secondsOrNull: JsonSchema = { type: ["number", "null"], minimum: 0 };
const cosineOrNull: JsonSchema = { type: ["number", "null"], minimum: -1, maximum: 1 };
const dbOrNull: JsonSchema = { type: ["number", "null"], minimum: -exactDb, maximum: exactDb };
const anyRecord: JsonSchema = { type: "object" };
const textRecord: JsonSchema = { type: "object", additionalProperties: text };
const texts: JsonSchema = list(text);
const shapeOrNull: JsonSchema = orNull(list(count));

const schemaId = (id: SchemaId): JsonSchema => ({ const: id });
const warnings: JsonSchema = list(
  record<ReportWarning>({ id: text, message: text, where: textOrNull }),
);
const accuracy: JsonSchema = record<Accuracy>({ count, percent, interval: pair(percent) });
const ports: JsonSchema = list(record<Port>({ name: text, dtype: textOrNull, shape: shapeOrNull }));

const inspect: JsonSchema = record<InspectReport>({
  schema: schemaId("inlay.inspect/1"),
  model: text,
  source: texts,
  format: { enum: ["caffe", "onnx", null] },
  inputs: ports,
  outputs: ports,
  layers: list(
    record<InspectLayer>({
      name: text,
      op: text,
      inputs: texts,
      outputShape: shapeOrNull,
      parameters: count,
      macs: countOrNull,
      weightBytes: count,
      activationBytes: countOrNull,
    }),
  ),
  totals: record<InspectReport["totals"]>({
    layers: count,
    parameters: count,
    macs: count,
    weightBytes: count,
    peakActivationBytes: count,
  }),
  opaque: list(
    record<InspectReport["opaque"][number]>({ opType: text, domain: text, nodes: texts }),
  ),
  unusual: list(record<Finding>({ kind: text, node: textOrNull, message: text })),
  warnings,
});

const evaluate: JsonSchema = record<EvaluateReport>({
  schema: schemaId("inlay.evaluate/1"),
  model: text,
  images: text,
  samples: count,
  labelled: count,
  classes: countOrNull,
  top1: orNull(accuracy),
  top5: orNull(accuracy),
  secondsPerImage: secondsOrNull,
  changed: orNull(record<NonNullable<EvaluateReport["changed"]>>({ count, percent })),
  preprocessing: anyRecord,
  seed: integerOrNull,
  threads: countOrNull,
  device: text,
  simulated: bool,
  deployable: { type: ["boolean", "null"] },
  warnings,
});

const calibrate: JsonSchema = record<CalibrateReport>({
  schema: schemaId("inlay.calibrate/1"),
  model: text,
  method: text,
  images: text,
  samples: count,
  ranges: list(
    record<RangeRow>({
      layer: text,
      networkLayer: text,
      tensor: oneOf("input", "weights", "bias", "activations"),
      min: number,
      max: number,
      lo: numberOrNull,
      hi: numberOrNull,
    }),
  ),
  preprocessing: anyRecord,
  seed: integerOrNull,
  secondsPerImage: secondsOrNull,
  warnings,
});

const quantizeLayer: JsonSchema = record<QuantizeLayer>({
  name: text,
  op: text,
  weightBits: countOrNull,
  weightScale: orNull(
    record<NonNullable<QuantizeLayer["weightScale"]>>({ min: number, max: number, count }),
  ),
  inputScale: numberOrNull,
  inputZeroPoint: integerOrNull,
  outputScale: numberOrNull,
  outputZeroPoint: integerOrNull,
  accumulatorBits: countOrNull,
  exact: { enum: ["one plane", "planes", null] },
  weightSqnrDb: dbOrNull,
  outputSqnrDb: dbOrNull,
});

const quantize: JsonSchema = record<QuantizeReport>({
  schema: schemaId("inlay.quantize/1"),
  model: text,
  out: text,
  files: texts,
  target: text,
  options: anyRecord,
  layers: list(quantizeLayer),
  size: record<QuantizeReport["size"]>({ floatBytes: count, quantizedBytes: count }),
  accuracy: orNull(
    record<NonNullable<QuantizeReport["accuracy"]>>({
      images: text,
      samples: count,
      float: accuracy,
      quantized: accuracy,
      changedImages: count,
    }),
  ),
  floatLayers: list(
    record<QuantizeReport["floatLayers"][number]>({ name: text, op: text, reason: text }),
  ),
  warnings,
});

const compareLayer: JsonSchema = record<CompareLayer>({
  name: text,
  op: text,
  cosine: cosineOrNull,
  sqnrDb: dbOrNull,
  maxAbsError: numberOrNull,
  saturatedPercent: percentOrNull,
  underflowPercent: percentOrNull,
  weightCosine: cosineOrNull,
  weightSqnrDb: dbOrNull,
  weightMaxAbsError: numberOrNull,
  weightSaturatedPercent: percentOrNull,
  weightUnderflowPercent: percentOrNull,
});

const compare: JsonSchema = record<CompareReport>({
  schema: schemaId("inlay.compare/1"),
  model: text,
  images: text,
  samples: count,
  layers: list(compareLayer),
  worst: texts,
  firstBelow: orNull(
    record<NonNullable<CompareReport["firstBelow"]>>({ thresholdDb: number, name: text }),
  ),
  thresholdDb: number,
  warnings,
});

const run: JsonSchema = record<RunReport>({
  schema: schemaId("inlay.run/1"),
  recipe: text,
  steps: list(
    record<RunReport["steps"][number]>({
      name: text,
      status: oneOf("done", "skipped", "failed"),
      seconds,
      note: textOrNull,
    }),
  ),
  seconds,
  warnings,
});

const histogram: JsonSchema = record<Histogram>({
  layer: text,
  tensor: oneOf("input", "weights", "activations"),
  min: number,
  max: number,
  counts: list({ type: "number", minimum: 0 }),
  range: orNull(record<NonNullable<Histogram["range"]>>({ lo: number, hi: number })),
});

const reproduction: JsonSchema = record<Reproduction>({
  command: texts,
  seed: integerOrNull,
  threads: countOrNull,
  device: textOrNull,
  versions: textRecord,
  preprocessing: anyRecord,
  hashes: list(record<Reproduction["hashes"][number]>({ file: text, sha256: text })),
});

const job: JsonSchema = record<JobReport>({
  schema: schemaId("inlay.report/1"),
  title: text,
  inspect: orNull(inspect),
  calibrate: orNull(calibrate),
  quantize: orNull(quantize),
  evaluate: record<JobReport["evaluate"]>({
    float: orNull(evaluate),
    quantized: orNull(evaluate),
  }),
  compare: orNull(compare),
  histograms: list(histogram),
  reproduction: orNull(reproduction),
});

const demo: JsonSchema = record<DemoReport>({
  schema: schemaId("inlay.demo/1"),
  out: text,
  finetune: finetuneSchema,
  untuned: convert,
  int8: job,
  seconds,
  warnings,
});

/** A report's schema as a document of its own. */
const document = (id: SchemaId, schema: JsonSchema): JsonSchema => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: id,
  ...schema,
});

/** JSON Schema (draft 2020-12) of every report, by the id in its `schema` field. */
export const reportSchemas: Readonly<Record<Report["schema"], JsonSchema>> = {
  "inlay.inspect/1": document("inlay.inspect/1", inspect),
  "inlay.check/1": document("inlay.check/1", check),
  "inlay.evaluate/1": document("inlay.evaluate/1", evaluate),
  "inlay.calibrate/1": document("inlay.calibrate/1", calibrate),
  "inlay.quantize/1": document("inlay.quantize/1", quantize),
  "inlay.compare/1": document("inlay.compare/1", compare),
  "inlay.run/1": document("inlay.run/1", run),
  "inlay.convert/1": document("inlay.convert/1", convert),
  "inlay.predict/1": document("inlay.predict/1", predict),
  "inlay.bit-match/1": document("inlay.bit-match/1", bitMatch),
  "inlay.calibrate-quant-relu/1": document(
    "inlay.calibrate-quant-relu/1",
    calibrateQuantReluSchema,
  ),
  "inlay.refine-network/1": document("inlay.refine-network/1", refineNetworkSchema),
  "inlay.train/1": document("inlay.train/1", trainSchema),
  "inlay.test/1": document("inlay.test/1", testSchema),
  "inlay.dataset-show/1": document("inlay.dataset-show/1", datasetShowSchema),
  "inlay.dataset-lmdb/1": document("inlay.dataset-lmdb/1", datasetLmdbSchema),
  "inlay.finetune/1": document("inlay.finetune/1", finetuneSchema),
  "inlay.demo/1": document("inlay.demo/1", demo),
  "inlay.report/1": document("inlay.report/1", job),
};
