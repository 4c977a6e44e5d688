/**
 * PriorBox and DetectionOutput against the reference vectors, and against properties that need none.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { InlayError } from "../src/error.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { nodesOf } from "../src/ir/graph.ts";
import { priorBox } from "../src/ir/prior-box.ts";
import { priorsPerPixel } from "../src/ir/shape-rules.ts";
import { detectionOutput } from "../src/run/host/detection-output.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";

type Ref = { readonly shape: readonly number[]; readonly offset: number };
type Case = {
  readonly name: string;
  readonly params: {
    readonly layer: string;
    readonly feature: readonly [number, number];
    readonly image: readonly [number, number];
    readonly prior_box_param?: string;
    readonly detection_output_param?: string;
  };
  readonly inputs: Readonly<Record<string, Ref>>;
  readonly outputs: Readonly<Record<string, Ref>>;
};

const folder = process.env["INLAY_VECTORS"];
const suite = (layer: string): readonly Case[] =>
  folder
    ? JSON.parse(readFileSync(join(folder, "ssd.json"), "utf8")).cases.filter(
        (one: Case) => one.params.layer === layer,
      )
    : [];
const blob = folder ? readFileSync(join(folder, "ssd.bin")) : Buffer.alloc(0);

function tensorOf(ref: Ref): Tensor<"float32"> {
  const count = ref.shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(blob.subarray(ref.offset, ref.offset + 4 * count));
  return float32(ref.shape, new Float32Array(bytes.buffer));
}

const title = (what: string) => (folder ? what : `${what} (INLAY_VECTORS is unset)`);

/** The graph of one layer whose parameters are given as text. */
function graphOf(inputs: Readonly<Record<string, readonly number[]>>, layer: string) {
  const names = Object.keys(inputs);
  const declared = names.map((name) => {
    const dims = inputs[name]?.map((dim) => `dim: ${dim}`).join(" ");
    return `input: "${name}" input_shape { ${dims} }`;
  });
  const bottoms = names.map((name) => `bottom: "${name}"`).join(" ");
  const text = `${declared.join("\n")} layer { name: "x" top: "x" ${bottoms} ${layer} }`;
  return readCaffe({ prototxt: { name: "case.prototxt", bytes: new TextEncoder().encode(text) } });
}

describe.skipIf(!folder)(title("PriorBox"), () => {
  test.each(suite("PriorBox"))("$name", ({ params, outputs }) => {
    const [feature, image] = [
      [1, 1, ...params.feature],
      [1, 3, ...params.image],
    ];
    const layer = `type: "PriorBox" prior_box_param { ${params.prior_box_param} }`;
    const [node] = nodesOf(graphOf({ feature, image }, layer), "priorBox");
    const found = priorBox(node!.attrs, feature, image);
    const expected = tensorOf(outputs["prior"]!);
    expect(found.shape).toEqual(expected.shape);
    expect(found.data).toEqual(expected.data);
    const positions = params.feature[0] * params.feature[1];
    expect(found.data.length).toBe(8 * positions * priorsPerPixel(node!.attrs));
  });
});

describe.skipIf(!folder)(title("DetectionOutput"), () => {
  test.each(suite("DetectionOutput"))("$name", ({ params, inputs, outputs }) => {
    const [loc, conf, prior] = ["loc", "conf", "prior"].map((key) => tensorOf(inputs[key]!));
    const layer = `type: "DetectionOutput" detection_output_param { ${params.detection_output_param} }`;
    const shapes = { loc: loc!.shape, conf: conf!.shape, prior: prior!.shape };
    const [node] = nodesOf(graphOf(shapes, layer), "detectionOutput");
    const found = detectionOutput(node!.attrs, loc!, conf!, prior!);
    const [expected] = Object.values(outputs).map(tensorOf);
    expect(found.shape).toEqual(expected!.shape);
    expect(found.data).toEqual(expected!.data);
  });
});

test("locations per class, corner code, and sizes that do not fit", () => {
  const attrs = {
    classes: 2,
    shareLocation: false,
    backgroundLabel: -1,
    nmsThreshold: 0.5,
    nmsTopK: -1,
    nmsEta: 1,
    keepTopK: -1,
    confidenceThreshold: 0.1,
    codeType: "corner",
    varianceEncodedInTarget: true,
  } as const;
  const locations = float32([1, 8], [0, 0, 0, 0, 1, 1, 1, 1]);
  const scores = float32([1, 2], [0.25, 0.75]);
  const priors = float32([1, 2, 4], [0, 0.5, 1, 1.5, 1, 1, 1, 1]);
  expect(Array.from(detectionOutput(attrs, locations, scores, priors).data)).toEqual([
    ...[0, 0, 0.25, 0, 0.5, 1, 1.5],
    ...[0, 1, 0.75, 1, 1.5, 2, 2.5],
  ]);
  expect(() => detectionOutput(attrs, scores, scores, priors)).toThrow(InlayError);
});
