/**
 * Single Caffe layers, imported and run by the scalar interpreter, against the reference vectors.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { writeCaffemodel } from "../src/formats/caffe/files.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";

type Ref = { readonly shape: readonly number[]; readonly offset: number };
type Refs = Readonly<Record<string, Ref>>;
type Case = {
  readonly name: string;
  readonly params: Readonly<Record<string, string | number | boolean | null>>;
  readonly inputs: Refs;
  readonly outputs: Refs;
};

const folder = process.env["INLAY_VECTORS"];
const title = (what: string) => (folder ? what : `${what} (INLAY_VECTORS is unset)`);

function suite(name: string) {
  if (!folder) return { cases: [], tensorOf: () => float32([], [0]) };
  const bytes = readFileSync(join(folder, `${name}.bin`));
  const tensorOf = ({ shape, offset }: Ref): Tensor<"float32"> => {
    const count = shape.reduce((a, b) => a * b, 1);
    return float32(
      shape,
      new Float32Array(
        bytes.buffer.slice(bytes.byteOffset + offset, bytes.byteOffset + offset + 4 * count),
      ),
    );
  };
  const cases: readonly Case[] = JSON.parse(
    readFileSync(join(folder, `${name}.json`), "utf8"),
  ).cases;
  return { cases, tensorOf };
}

/** The outputs of one layer, by blob name. */
function runLayer(
  layer: string,
  inputs: Readonly<Record<string, Tensor<"float32">>>,
  blobs: readonly Tensor<"float32">[],
  tops: readonly string[] = ["y"],
): ReadonlyMap<string, Tensor> {
  const names = Object.keys(inputs);
  const declared = names.map((name) => {
    const dims = inputs[name]?.shape.map((dim) => `dim: ${dim}`).join(" ");
    return `input: "${name}" input_shape { ${dims} }`;
  });
  const ends = [
    ...names.map((name) => `bottom: "${name}"`),
    ...tops.map((name) => `top: "${name}"`),
  ];
  const text = `${declared.join("\n")} layer { name: "x" ${ends.join(" ")} ${layer} }`;
  const trained = {
    name: blobs.length > 0 ? "x" : "none",
    blobs: blobs.map(({ shape, data }) => ({ shape: { dim: shape }, data })),
  };
  const graph = readCaffe({
    prototxt: { name: "case.prototxt", bytes: new TextEncoder().encode(text) },
    caffemodel: { name: "case.caffemodel", bytes: writeCaffemodel({ layer: [trained] }) },
  });
  const values = runScalar(graph, new Map(Object.entries(inputs)));
  return new Map(graph.outputs.map(({ name, id }) => [name, values.get(id) as Tensor]));
}

/** Equal up to `relative` of the largest value. */
function expectClose(
  found: Tensor | undefined,
  expected: Tensor<"float32">,
  relative: number,
): void {
  expect(found?.shape).toEqual(expected.shape);
  const largest = expected.data.reduce((max, one) => Math.max(max, Math.abs(one)), 1e-30);
  let error = 0;
  expected.data.forEach((one, at) => {
    error = Math.max(error, Math.abs(Number(found?.data[at]) - one));
  });
  expect(error / largest).toBeLessThanOrEqual(relative);
}

describe.skipIf(!folder)(title("Pooling"), () => {
  const { cases, tensorOf } = suite("pooling");
  test.each(cases)("$name", ({ params, inputs, outputs }) => {
    const fields = Object.entries(params)
      .filter(([, value]) => value !== null)
      .map(([key, value]) => `${key}: ${value}`);
    const expected = tensorOf(outputs["expected_sample"] ?? (outputs["y"] as Ref));
    const layer = `type: "Pooling" pooling_param { ${fields.join(" ")} }`;
    const found = runLayer(layer, { x: tensorOf(inputs["x"] as Ref) }, []).get("y");
    expectClose(found, expected, params["pool"] === "AVE" ? 1e-6 : 0);
  });
});

describe.skipIf(!folder)(title("Deconvolution"), () => {
  const { cases, tensorOf } = suite("deconv");
  test.each(cases)("$name", ({ params, inputs, outputs }) => {
    const { weight_filler, ...rest } = params;
    const fields = Object.entries(rest).map(([key, value]) => `${key}: ${value}`);
    const layer = `type: "Deconvolution" convolution_param { ${fields.join(" ")} weight_filler { ${weight_filler} } }`;
    const x = tensorOf(inputs["x"] as Ref);
    expectClose(runLayer(layer, { x }, []).get("y"), tensorOf(outputs["y"] as Ref), 1e-6);
  });
});

/** Layers that measure, train, or have no operator. */
const left = /Loss|Accuracy|MVN|TRAIN|use_global_stats:false/;

describe.skipIf(!folder)(title("other layers"), () => {
  const { cases, tensorOf } = suite("layers");
  test.each(cases.filter(({ name }) => !left.test(name)))(
    "$name",
    ({ params, inputs, outputs }) => {
      const refs = Object.entries(inputs);
      const xs = refs
        .filter(([key]) => /^x\d$/.test(key))
        .map(([key, ref]) => [key, tensorOf(ref)]);
      const blobs = refs.filter(([key]) => key.startsWith("blob")).map(([, ref]) => tensorOf(ref));
      const tops = Object.keys(outputs).filter((key) => /^y\d?$/.test(key));
      const layer = `type: "${params["type"]}" ${params["body"]}`;
      const found = runLayer(layer, Object.fromEntries(xs), blobs, tops);
      for (const top of tops) expectClose(found.get(top), tensorOf(outputs[top] as Ref), 2e-6);
    },
  );
});

describe.skipIf(!folder)(title("Normalize"), () => {
  const { cases, tensorOf } = suite("ssd");
  test.each(cases.filter(({ params }) => params["layer"] === "Normalize"))("$name", (one) => {
    const { params, inputs, outputs } = one;
    const layer = `type: "Normalize" norm_param { across_spatial: ${params["across_spatial"]}
      channel_shared: ${params["channel_shared"]} }`;
    const [x, scale] = [tensorOf(inputs["x"] as Ref), tensorOf(inputs["scale"] as Ref)];
    expectClose(runLayer(layer, { x }, [scale]).get("y"), tensorOf(outputs["y"] as Ref), 2e-6);
  });
});
