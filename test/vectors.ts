/**
 * Reader of the reference vectors: `<suite>.json` lists cases, `<suite>.bin` holds their tensors.
 * The folder is named by the environment variable INLAY_VECTORS.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Tensor, tensor } from "../src/tensor/tensor.ts";

/** The folder of the vectors; undefined where the variable is not set. */
export const vectorsFolder: string | undefined = process.env["INLAY_VECTORS"];

type Ref = {
  readonly dtype: "f32" | "f64" | "i32" | "u8";
  readonly shape: readonly number[];
  /** In bytes. */
  readonly offset: number;
};

export type VectorCase = {
  readonly name: string;
  readonly params: Readonly<Record<string, string | number | boolean>>;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
};

type RawCase = {
  readonly name: string;
  readonly params: VectorCase["params"];
  readonly inputs: Readonly<Record<string, Ref>>;
  readonly outputs: Readonly<Record<string, Ref>>;
};

/** All cases of a suite, tensors included. */
export function readVectors(folder: string, suite: string): readonly VectorCase[] {
  const text = readFileSync(join(folder, `${suite}.json`), "utf8");
  const file = readFileSync(join(folder, `${suite}.bin`));
  // Copied, so that offsets are aligned whatever the pool gave.
  const bytes = new Uint8Array(file).buffer;
  const { cases } = JSON.parse(text) as { readonly cases: readonly RawCase[] };
  return cases.map(({ name, params, inputs, outputs }) => ({
    name,
    params,
    inputs: readAll(bytes, inputs),
    outputs: readAll(bytes, outputs),
  }));
}

function readAll(bytes: ArrayBuffer, refs: Readonly<Record<string, Ref>>): Record<string, Tensor> {
  return Object.fromEntries(
    Object.entries(refs).map(([key, ref]) => [key, readTensor(bytes, ref)]),
  );
}

function readTensor(bytes: ArrayBuffer, { dtype, shape, offset }: Ref): Tensor {
  const count = shape.reduce((a, b) => a * b, 1);
  switch (dtype) {
    case "f32":
      return tensor("float32", shape, new Float32Array(bytes, offset, count));
    case "f64":
      return tensor("float64", shape, new Float64Array(bytes, offset, count));
    case "i32":
      return tensor("int32", shape, new Int32Array(bytes, offset, count));
    case "u8":
      return tensor("uint8", shape, new Uint8Array(bytes, offset, count));
  }
}
