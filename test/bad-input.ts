/**
 * A temporary folder with small networks and pictures to spoil, and the jobs run on them: each ends with one
 * error, or with warnings, and soon.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { expect } from "vitest";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import { type ErrorFields, InlayError } from "../src/error.ts";
import { caffeSchema } from "../src/formats/caffe/schema/schema.ts";
import { type OnnxInit, onnxSchema } from "../src/formats/onnx/schema.ts";
import { calibrateJob } from "../src/job/calibrate.node.ts";
import { evaluateJob } from "../src/job/evaluate.node.ts";
import { inspectJob } from "../src/job/inspect.node.ts";
import type { ImageOptions, JobContext } from "../src/job/options.ts";
import { quantizeJob } from "../src/job/quantize.node.ts";
import type { Warning } from "../src/notice.ts";
import { encode } from "../src/protobuf/encode.ts";
import { defaultQuantizeOptions } from "../src/quantize/options.ts";

/** Files by name below a folder of their own. */
export type Folder = {
  readonly path: string;
  readonly put: (name: string, content: string | Uint8Array) => string;
  readonly remove: () => void;
};

export function makeFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "inlay-bad-"));
  return {
    path,
    put: (name, content) => {
      const file = join(path, ...name.split("/"));
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content);
      return file;
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** How a job ended. */
export type Outcome = {
  readonly error: ErrorFields | undefined;
  readonly message: string;
  readonly warnings: readonly Warning[];
};

/** Of processor time: a machine busy with other tests takes longer by the clock. */
const seconds = 5;

/** Runs a job. Anything but an InlayError fails the test, and so does taking long. */
export async function outcomeOf(run: (context: JobContext) => Promise<unknown>): Promise<Outcome> {
  const warnings: Warning[] = [];
  const onWarning = (warning: Warning): void => void warnings.push(warning);
  const started = process.cpuUsage();
  try {
    await run({ device: "cpu", threads: 1, seed: 0, command: [], onWarning });
    return { error: undefined, message: "", warnings };
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    return { error: error.fields, message: error.message, warnings };
  } finally {
    const { user, system } = process.cpuUsage(started);
    expect((user + system) / 1e6).toBeLessThan(seconds);
  }
}

export function inspect(...model: readonly string[]): Promise<Outcome> {
  return outcomeOf((context) => inspectJob({ model }, context));
}

type Pictures = string | ImageOptions;
const imagesOf = (pictures: Pictures): ImageOptions =>
  typeof pictures === "string" ? { path: pictures } : pictures;

export function evaluate(
  model: readonly string[],
  pictures: Pictures,
  some?: Partial<Preprocess>,
): Promise<Outcome> {
  const preprocess = some && { ...defaultPreprocess, ...some };
  return outcomeOf((context) =>
    evaluateJob({ model, images: imagesOf(pictures), preprocess }, context),
  );
}

export function calibrate(model: readonly string[], pictures: Pictures): Promise<Outcome> {
  const job = { model, images: imagesOf(pictures), preprocess: defaultPreprocess };
  return outcomeOf((context) => calibrateJob({ ...job, method: "minmax" }, context));
}

export function quantize(
  model: readonly string[],
  pictures: Pictures,
  out: string,
): Promise<Outcome> {
  const job = {
    model,
    target: "int8",
    calibrate: imagesOf(pictures),
    preprocess: defaultPreprocess,
    method: "mse" as const,
    options: defaultQuantizeOptions,
    out,
  };
  return outcomeOf((context) => quantizeJob(job, context));
}

/** Convolution, ReLU, fully connected, softmax on 3x8x8; `extra` goes into the convolution's parameters. */
export function prototxt(extra = ""): string {
  return `name: "tiny"
input: "data"
input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 ${extra}} }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "fc" type: "InnerProduct" bottom: "conv1" top: "fc"
  inner_product_param { num_output: 3 } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
`;
}

/** Small numbers without a pattern. */
export function numbers(count: number): Float32Array {
  return Float32Array.from({ length: count }, (_, at) => Math.sin(at * 12.9898 + 1) * 0.2);
}

type Blobs = {
  readonly weight?: Float32Array;
  readonly bias?: Float32Array;
  readonly rows?: Float32Array;
};

/** The weights of `prototxt`. */
export function caffemodel({ weight, bias, rows }: Blobs = {}): Uint8Array {
  const blob = (dim: readonly number[], data: Float32Array) => ({ shape: { dim }, data });
  return encode(caffeSchema, "NetParameter", {
    name: "tiny",
    layer: [
      {
        name: "conv1",
        type: "Convolution",
        blobs: [blob([4, 3, 3, 3], weight ?? numbers(108)), blob([4], bias ?? numbers(4))],
      },
      {
        name: "fc",
        type: "InnerProduct",
        blobs: [blob([3, 144], rows ?? numbers(432)), blob([3], numbers(3))],
      },
    ],
  });
}

type Parts = Partial<OnnxInit<"GraphProto">>;

/** An ONNX file: input x [1, 3, 8, 8], initializer w [4, 3, 3, 3], output y. */
export function onnxFile(parts: Parts, domain?: string): Uint8Array {
  const opsets = [{ domain: "", version: 17 }, ...(domain ? [{ domain, version: 1 }] : [])];
  const graph = {
    name: "g",
    input: [floatInfo("x", [1, 3, 8, 8])],
    output: [floatInfo("y", [1, 4, 6, 6])],
    initializer: [floatTensor("w", [4, 3, 3, 3], numbers(108))],
    ...parts,
  };
  return encode(onnxSchema, "ModelProto", { ir_version: 8, opset_import: opsets, graph });
}

export function floatInfo(
  name: string,
  shape: readonly (number | string)[],
): OnnxInit<"ValueInfoProto"> {
  const dim = shape.map((size) =>
    typeof size === "string" ? { dim_param: size } : { dim_value: size },
  );
  return { name, type: { tensor_type: { elem_type: 1, shape: { dim } } } };
}

export function floatTensor(
  name: string,
  dims: readonly number[],
  values: Float32Array,
): OnnxInit<"TensorProto"> {
  return { name, dims, data_type: 1, raw_data: new Uint8Array(values.slice().buffer) };
}

export function onnxNode(
  op_type: string,
  input: readonly string[],
  output: string,
  domain?: string,
): OnnxInit<"NodeProto"> {
  return { op_type, input, output: [output], name: output, ...(domain && { domain }) };
}

/** PNG of 8x8 colour noise, another for each `seed`. */
export async function noisePng(seed: number): Promise<Uint8Array> {
  const raw = Uint8Array.from(
    { length: 192 },
    (_, at) => at * 37 + seed * 91 + ((at * seed) % 53) * 3,
  );
  return sharp(raw, { raw: { width: 8, height: 8, channels: 3 } })
    .png()
    .toBuffer();
}
