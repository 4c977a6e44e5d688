/**
 * The reference ONNX models: reading and lowering again gives the same graph, and our lowering
 * gives the outputs that ONNX Runtime computes from the file itself.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import { readOnnx } from "../src/formats/onnx/read.ts";
import { nodesOf } from "../src/ir/graph.ts";
import { printGraph } from "../src/ir/print.ts";

const data = process.env["INLAY_DATA"];
const skip = data === undefined;
if (skip) process.stderr.write("skipped test/onnx-models.test.ts: INLAY_DATA is unset\n");
const models = join(data ?? "", "models");

const tolerance = 1e-4;

function modelFiles(): string[] {
  if (skip || !existsSync(models)) return [];
  return readdirSync(models).flatMap((folder) =>
    readdirSync(join(models, folder))
      .filter((file) => file.endsWith(".onnx"))
      .map((file) => join(folder, file)),
  );
}

/** Reproducible values in 0..1. */
function noise(count: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: count }, () => {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return state / 2 ** 31;
  });
}

async function run(
  bytes: Uint8Array,
  name: string,
  shape: readonly number[],
): Promise<InferenceSession.OnnxValueMapType> {
  const session = await InferenceSession.create(bytes, { logSeverityLevel: 4 });
  const values = noise(shape.reduce((a, b) => a * b, 1));
  const outputs = await session.run({ [name]: new OrtTensor("float32", values, shape) });
  await session.release();
  return outputs;
}

/** Largest difference, relative to the largest magnitude. */
function relativeError(got: Float32Array, wanted: Float32Array): number {
  let [error, largest] = [0, 0];
  for (const [index, value] of wanted.entries()) {
    error = Math.max(error, Math.abs((got[index] ?? Number.NaN) - value));
    largest = Math.max(largest, Math.abs(value));
  }
  return error / largest;
}

describe.skipIf(skip)("reference models", () => {
  it("are all there", () => {
    expect(modelFiles().length).toBe(8);
  });

  for (const file of modelFiles()) {
    it(file, async () => {
      const bytes = new Uint8Array(readFileSync(join(models, file)));
      const graph = readOnnx({ name: file, bytes });
      expect(nodesOf(graph, "opaque")).toEqual([]);
      const lowered = lowerToOnnx(graph);
      expect(printGraph(readOnnx({ name: file, bytes: lowered }))).toBe(printGraph(graph));
      const [input] = nodesOf(graph, "input");
      if (input === undefined) throw new Error("the model has no input");
      const { id, attrs } = input;
      const direct = await run(bytes, id, attrs.shape);
      const ours = await run(lowered, id, attrs.shape);
      const three = await run(
        lowerToOnnx(graph, { batch: "symbolic" }),
        id,
        attrs.shape.with(0, 3),
      );
      for (const { name } of graph.outputs) {
        const [got, wanted] = [ours[name], direct[name]];
        expect(got?.dims).toEqual(wanted?.dims);
        const values = wanted?.data as Float32Array;
        expect(relativeError(got?.data as Float32Array, values)).toBeLessThan(tolerance);
        expect(three[name]?.dims).toEqual(wanted?.dims.with(0, 3));
      }
    });
  }
});
