/**
 * Outputs that another implementation computed on stored pixels: ImageNet classifiers and UltraFace.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { batches } from "../src/data/batch.ts";
import type { Dataset } from "../src/data/dataset.ts";
import { image } from "../src/data/image.ts";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import type { Graph } from "../src/ir/graph.ts";
import { pictureSize, withPictureInput } from "../src/run/prepare.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { at, caffeModel, dataDir, floatModel, floatsOf, pictureOf, run } from "./model-run.ts";
import { expectClose } from "./within.ts";

const title = (what: string): string => (dataDir ? what : `${what} (INLAY_DATA is unset)`);

/** RGB pictures of one size. */
function dataset(width: number, height: number, pictures: readonly Uint8Array[]): Dataset {
  const samples = pictures.map((pixels, index) => ({
    name: `${index}`,
    label: undefined,
    load: async () => image(width, height, 3, pixels),
  }));
  return { source: "oracle", samples };
}

/** The bytes of a file as pictures of `size` bytes. */
function picturesOf(path: string, size: number): readonly Uint8Array[] {
  const bytes = readFileSync(path);
  return Array.from({ length: bytes.length / size }, (_, index) =>
    Uint8Array.from(bytes.subarray(index * size, (index + 1) * size)),
  );
}

/** The outputs by name on all pictures of a data set, in one batch. */
async function outputsOn(
  graph: Graph,
  pictures: Dataset,
  preprocess: Preprocess,
): Promise<ReadonlyMap<string, Tensor>> {
  const size = pictureSize(graph);
  const options = { batch: pictures.samples.length, readAhead: 1 };
  for await (const { images } of batches(pictures, preprocess, size, options)) {
    return run(withPictureInput(graph, preprocess), images);
  }
  throw new Error("there is no picture");
}

/** No element may be off by more than `limit`, whatever its size. */
function expectEachWithin(got: Tensor | undefined, want: Tensor, limit: number): void {
  const largest = toNumbers(want).reduce((max, x) => Math.max(max, Math.abs(x)), 0);
  expectClose(got, want, limit / largest);
}

const halves: Preprocess = { ...defaultPreprocess, mean: [127.5], scale: 1 / 127.5, crop: 224 };
const small: Preprocess = { ...halves, resizeAfter: 128 };
const quarter = "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128";
const full = "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224";

/** Oracle file, model, preprocessing. */
const classifiers: readonly (readonly [string, () => Promise<Graph>, Preprocess])[] = [
  [
    "squeezenet_v1.0_dc",
    () =>
      caffeModel("squeezenet_v1.0/SqueezeNet_deploy", "squeezenet_v1.0/decompressed_SqueezeNet"),
    { ...defaultPreprocess, order: "bgr", mean: [104, 117, 123] },
  ],
  [
    "mobilenet_v1_1.0_224_caffe_exact_relu6",
    () => caffeModel(`${full}_exact_relu6`),
    { ...halves, order: "bgr" },
  ],
  [
    "mobilenet_v1_1.0_224_caffe_relu6",
    () => caffeModel(`${full}_relu6`, full),
    { ...halves, order: "bgr" },
  ],
  ["mobilenet_v1_0.25_128_onnx", () => floatModel(`${quarter}.onnx`), small],
  [
    "mobilenet_v1_0.25_128_caffe_relu6",
    () => caffeModel(`${quarter}_relu6`, quarter),
    { ...small, order: "bgr" },
  ],
  ["mobilenet_v1_0.25_128_caffe_relu", () => caffeModel(quarter), { ...small, order: "bgr" }],
];

describe.skipIf(!dataDir)(title("ImageNet classifiers"), () => {
  const side = 227;
  const pictures = (): Dataset => {
    const bgr = picturesOf(at("imagenet", "oracle", "first16_227_bgr.u8"), side * side * 3);
    const rgb = bgr.map((pixels) =>
      pixels.map((_, byte) => pixels[byte + 2 - 2 * (byte % 3)] ?? 0),
    );
    return dataset(side, side, rgb);
  };

  it.each(classifiers)("%s", async (name, load, preprocess) => {
    const found = await outputsOn(await load(), pictures(), preprocess);
    const [scores, ...others] = found.values();
    expect(others).toEqual([]);
    const expected = floatsOf(at("imagenet", "oracle", `${name}.first16.f32`), [16, 1000]);
    if (scores?.dtype !== "float32") throw new Error("float32 scores were expected");
    for (let picture = 0; picture < 16; picture += 1) {
      const found = pictureOf(float32([16, 1000], scores.data), picture);
      expectClose(found, pictureOf(expected, picture), 1e-4);
    }
  });
});

const ultraface = "ultraface_rfb_320";

/** UltraFace's own postprocessing: anchors per feature map of a 320x240 picture, sizes in pixels. */
const maps: readonly {
  readonly h: number;
  readonly w: number;
  readonly sizes: readonly number[];
}[] = [
  { h: 30, w: 40, sizes: [10, 16, 24] },
  { h: 15, w: 20, sizes: [32, 48] },
  { h: 8, w: 10, sizes: [64, 96] },
  { h: 4, w: 5, sizes: [128, 192, 256] },
];

type Anchor = readonly [x: number, y: number, w: number, h: number];

/** Anchors as centre and size, fractions of the picture cut to 0..1, in the network's order. */
const anchors: readonly Anchor[] = maps.flatMap(({ h, w, sizes }) =>
  Array.from({ length: h * w }, (_, cell) => cell).flatMap((cell) =>
    sizes.map((size): Anchor => {
      const [x, y] = [((cell % w) + 0.5) / w, (Math.floor(cell / w) + 0.5) / h];
      return [Math.min(x, 1), Math.min(y, 1), Math.min(size / 320, 1), Math.min(size / 240, 1)];
    }),
  ),
);

/** Corners from raw locations: centre variance 0.1, size variance 0.2. */
function decoded({ shape, data }: Tensor<"float32">): Tensor<"float32"> {
  const out = new Float32Array(data.length);
  for (let box = 0; box < data.length; box += 4) {
    const [x, y, w, h] = anchors[(box / 4) % anchors.length] ?? [0, 0, 0, 0];
    const [dx = 0, dy = 0, dw = 0, dh = 0] = data.subarray(box, box + 4);
    const [cx, cy] = [x + 0.1 * dx * w, y + 0.1 * dy * h];
    const [halfW, halfH] = [(Math.exp(0.2 * dw) * w) / 2, (Math.exp(0.2 * dh) * h) / 2];
    out.set([cx - halfW, cy - halfH, cx + halfW, cy + halfH], box);
  }
  return float32(shape, out);
}

describe.skipIf(!dataDir)(title("UltraFace"), () => {
  const folder = (name: string): string => at("models", ultraface, "oracle", name);
  const pictures = (): Dataset =>
    dataset(320, 240, picturesOf(folder("inputs_5x240x320x3_rgb.u8"), 240 * 320 * 3));
  const preprocess: Preprocess = { ...defaultPreprocess, mean: [127], scale: 1 / 128 };
  const files: readonly (readonly [string, "raw" | "decoded", readonly string[]])[] = [
    ["Caffe", "raw", ["RFB-320.prototxt", "RFB-320.caffemodel"]],
    ["ONNX", "decoded", ["version-RFB-320.onnx"]],
    ["ONNX, simplified", "raw", ["version-RFB-320_simplified.onnx"]],
    ["ONNX, without postprocessing", "raw", ["version-RFB-320_without_postprocessing.onnx"]],
  ];

  it.each(files)("%s: scores and %s boxes", async (_name, form, paths) => {
    const graph = await floatModel(...paths.map((path) => `${ultraface}/${path}`));
    const found = await outputsOn(graph, pictures(), preprocess);
    const scores = floatsOf(folder("rfb320_scores_5x4420x2.f32"), [5, 4420, 2]);
    const raw = floatsOf(folder("rfb320_boxes_5x4420x4.f32"), [5, 4420, 4]);
    expect(anchors.length).toBe(4420);
    expectEachWithin(found.get("scores"), scores, 1e-4);
    expectEachWithin(found.get("boxes"), form === "raw" ? raw : decoded(raw), 1e-4);
  });
});
