/**
 * The shape of a manifest as JSON Schema, so that a file from disk is checked before it is believed.
 */
import type { Preprocess } from "../data/preprocess.ts";
import type { QuantizeOptions } from "../quantize/options.ts";
import { type Fields, type JsonSchema, list, oneOf, record } from "../report/json-schema.ts";
import type { Manifest } from "./manifest.ts";

const text: JsonSchema = { type: "string" };
const flag: JsonSchema = { type: "boolean" };
const number: JsonSchema = { type: "number" };
const count: JsonSchema = { type: "integer", minimum: 0, maximum: Number.MAX_SAFE_INTEGER };
const side: JsonSchema = { type: "integer", minimum: 1, maximum: 16_384 };
const integer: JsonSchema = { type: "integer" };

const mean: JsonSchema = {
  anyOf: [
    list(number),
    record({
      file: text,
      shape: { type: "array", prefixItems: [side, side, side], items: false, minItems: 3 },
      values: list(number),
    }),
  ],
};

const resize: JsonSchema = {
  anyOf: [
    record({ kind: { const: "shorter" }, size: side }),
    record({ kind: { const: "exact" }, width: side, height: side }),
  ],
};

const preprocessFields: Fields<Preprocess> = {
  color: oneOf("auto", "color", "gray"),
  resize,
  crop: side,
  resizeAfter: side,
  order: oneOf("rgb", "bgr"),
  mean,
  scale: number,
  std: list(number),
};

const preprocess: JsonSchema = {
  ...record(preprocessFields),
  required: ["color", "order", "mean", "scale", "std"],
};

const options: JsonSchema = record<QuantizeOptions>({
  weights: record<QuantizeOptions["weights"]>({
    unit: oneOf("channel", "tensor"),
    powerOfTwo: flag,
  }),
  activations: record<QuantizeOptions["activations"]>({
    signed: flag,
    symmetric: flag,
    powerOfTwo: flag,
  }),
  biasCorrection: flag,
});

const inputHash: JsonSchema = record<Manifest["inputs"][number]>({
  file: text,
  sha256: text,
  bytes: count,
  files: count,
});

/** Every field of a manifest; nothing else may stand in one. */
export const manifestSchema: JsonSchema = record<Manifest>({
  schema: { const: "inlay.manifest/1" },
  versions: record<Manifest["versions"]>({ inlay: text, node: text, engine: text }),
  command: list(text),
  seed: integer,
  threads: count,
  device: oneOf("cpu", "webgpu", "cuda"),
  target: text,
  preprocess,
  calibration: record<Manifest["calibration"]>({
    method: oneOf("minmax", "movingAverage", "percentile", "entropy", "mse"),
    images: text,
    samples: count,
  }),
  options,
  inputs: list(inputHash),
  outputs: list(inputHash),
});
