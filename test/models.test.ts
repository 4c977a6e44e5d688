/**
 * The reference models run from their files to their outputs: declared shapes, twins in two formats
 * that are one function, and pictures that do not depend on the batch they are in.
 */
import { describe, expect, it } from "vitest";
import type { Graph } from "../src/ir/graph.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import { caffeModel, dataDir, floatModel, inputShape, noise, pictureOf, run } from "./model-run.ts";
import { expectClose } from "./within.ts";

const title = (what: string): string => (dataDir ? what : `${what} (INLAY_DATA is unset)`);

/** Network under `models`, input and outputs that its file declares, for one picture. */
const declared: readonly (readonly [string, Readonly<Record<string, readonly number[]>>])[] = [
  ["mtcnn/det1", { "conv4-2": [4, 1, 1], prob1: [2, 1, 1] }],
  ["mtcnn/det2", { "conv5-2": [4], prob1: [2] }],
  ["mtcnn/det3", { "conv6-2": [4], "conv6-3": [10], prob1: [2] }],
  ["wechat_qr_ssd/sr", { fc: [1, 447, 447] }],
];

describe.skipIf(!dataDir)(title("declared shapes"), () => {
  it.each(declared)("%s, one picture and three", async (net, shapes) => {
    const graph = await caffeModel(net);
    const three = await run(graph, noise(inputShape(graph, 3)));
    const alone = await run(graph, pictureOf(noise(inputShape(graph, 3)), 1));
    expect([...three.keys()].toSorted()).toEqual(Object.keys(shapes).toSorted());
    for (const [name, shape] of Object.entries(shapes)) {
      expect(alone.get(name)?.shape).toEqual([1, ...shape]);
      expect(three.get(name)?.shape).toEqual([3, ...shape]);
      expectClose(pictureOf(three.get(name)!, 1), alone.get(name), 1e-5);
    }
  });

  it("mtcnn/det1 is fully convolutional: a larger picture gives a map", async () => {
    const graph = await caffeModel("mtcnn/det1");
    const nodes = graph.nodes.map((node) =>
      node.op === "input" ? { ...node, attrs: { ...node.attrs, shape: [1, 3, 30, 42] } } : node,
    );
    const wide = { ...graph, nodes };
    const outputs = await run(wide, noise(inputShape(wide, 1)));
    expect(outputs.get("prob1")?.shape).toEqual([1, 2, 10, 16]);
  });
});

/** Rows of seven numbers. */
function rowsOf({ data }: Tensor): number[][] {
  const values = Array.from(data, Number);
  return Array.from({ length: values.length / 7 }, (_, row) => values.slice(7 * row, 7 * row + 7));
}

describe.skipIf(!dataDir)(title("wechat_qr_ssd/detect"), () => {
  /** The first picture is noise, which this net takes for a code; grey is none; the third is noise. */
  const pictures = (graph: Graph): Tensor<"float32"> => {
    const { shape, data } = noise(inputShape(graph, 3));
    const size = elementCount(shape.slice(1));
    return float32(shape, data.slice().fill(0, size, 2 * size));
  };

  it("folds its default boxes, and finds per picture what it finds alone", async () => {
    const graph = await caffeModel("wechat_qr_ssd/detect");
    expect(graph.nodes.filter((node) => node.op === "priorBox")).toEqual([]);
    const batch = pictures(graph);
    const found = (await run(graph, batch)).get("detection_output")!;
    const alone: Tensor[] = [];
    for (const index of [0, 1, 2]) {
      alone.push((await run(graph, pictureOf(batch, index))).get("detection_output")!);
    }
    const rows = alone.flatMap((single, picture) =>
      rowsOf(single)
        .filter(([, label]) => label !== -1)
        .map((row) => row.with(0, picture)),
    );
    expect(found.shape).toEqual([1, 1, rows.length, 7]);
    expect(new Set(rows.map(([picture]) => picture))).toEqual(new Set([0, 2]));
    expectClose(found, float32(found.shape, rows.flat()), 1e-5);
    for (const [, label = 0, score = 0, left = 0, top = 0, right = 0, bottom = 0] of rows) {
      expect([label, score > 0.2, score <= 1, left < right, top < bottom]).toEqual([
        1,
        true,
        true,
        true,
        true,
      ]);
    }
  });

  it("gives a row of -1 per picture where nothing is found", async () => {
    const graph = await caffeModel("wechat_qr_ssd/detect");
    const grey = float32(
      inputShape(graph, 2),
      new Float32Array(elementCount(inputShape(graph, 2))),
    );
    const found = (await run(graph, grey)).get("detection_output")!;
    expect(found.shape).toEqual([1, 1, 2, 7]);
    expect(rowsOf(found)).toEqual([0, 1].map((picture) => [picture, -1, -1, -1, -1, -1, -1]));
  });
});

/** The scores of a classifier: its only output, one row per picture. */
async function scores(graph: Graph, input: Tensor): Promise<Tensor<"float32">> {
  const [value, ...others] = (await run(graph, input)).values();
  if (value?.dtype !== "float32" || others.length > 0) throw new Error("one output was expected");
  const [pictures = 1] = value.shape;
  return float32([pictures, value.data.length / pictures], value.data);
}

/** Channels in another order, each times a factor and shifted. */
function channels(
  { shape, data }: Tensor<"float32">,
  pixel: (channel: number) => { readonly from: number; readonly value: (x: number) => number },
): Tensor<"float32"> {
  const [, c = 1, h = 1, w = 1] = shape;
  const out = Float32Array.from(data, (_, index) => {
    const channel = Math.floor(index / (h * w)) % c;
    const { from, value } = pixel(channel);
    return value(data[index + (from - channel) * h * w] ?? Number.NaN);
  });
  return float32(shape, out);
}

const softmax = ({ shape, data }: Tensor<"float32">): Tensor<"float32"> => {
  const [rows = 1, classes = 1] = shape;
  const out = Array.from({ length: rows }, (_, row) => {
    const exps = Array.from(data.subarray(row * classes, (row + 1) * classes), Math.exp);
    const sum = exps.reduce((a, b) => a + b, 0);
    return exps.map((value) => value / sum);
  });
  return float32(shape, out.flat());
};

describe.skipIf(!dataDir)(title("twins"), () => {
  it("vww_mobilenet: ONNX and Caffe are one function", async () => {
    const name = "vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96";
    const [onnx, caffe] = [await floatModel(`${name}.onnx`), await caffeModel(`${name}_exact`)];
    const input = noise(inputShape(onnx, 3), 0, 1);
    expectClose(await scores(caffe, input), await scores(onnx, input), 1e-4);
  });

  it("resnet8: ONNX and Caffe are one function", async () => {
    const name = "resnet8_cifar10/resnet8-cifar10";
    const [onnx, caffe] = [await floatModel(`${name}.onnx`), await caffeModel(`${name}_exact`)];
    const input = noise(inputShape(onnx, 3), 0, 255);
    expectClose(await scores(caffe, input), await scores(onnx, input), 1e-4);
  });

  it("resnet20: ONNX and Caffe are one function of the same pixels", async () => {
    const name = "resnet20_cifar10/resnet20-cifar10";
    const [onnx, caffe] = [await floatModel(`${name}.onnx`), await caffeModel(name)];
    const rgb = noise(inputShape(onnx, 3), 0, 255);
    const [mean, std] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    const forOnnx = channels(rgb, (channel) => ({
      from: channel,
      value: (x) => (x / 255 - (mean[channel] ?? 0)) / (std[channel] ?? 1),
    }));
    const bgrMean = [103.53, 116.28, 123.675];
    const forCaffe = channels(rgb, (channel) => ({
      from: 2 - channel,
      value: (x) => x - (bgrMean[channel] ?? 0),
    }));
    expectClose(await scores(caffe, forCaffe), await scores(onnx, forOnnx), 1e-4);
  });

  it("mobilenet 0.25: opset 10 and 13 are one function", async () => {
    const name = "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128";
    const [newer, older] = [
      await floatModel(`${name}.onnx`),
      await floatModel(`${name}_op10.onnx`),
    ];
    const input = noise(inputShape(newer, 2));
    expectClose(await scores(older, input), await scores(newer, input), 1e-5);
  });

  it("mobilenet 1.0: ReLU6 layers and Clip layers are one function", async () => {
    const weights = "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6";
    const clip = await caffeModel("mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_clip", weights);
    const relu6 = await caffeModel(weights);
    const input = noise(inputShape(relu6, 1));
    expectClose(await scores(clip, input), await scores(relu6, input), 1e-5);
  });

  it("SqueezeNet: the train_val net is the deploy net, its loss a softmax", async () => {
    const weights = "squeezenet_v1.0/decompressed_SqueezeNet";
    const deploy = await caffeModel("squeezenet_v1.0/SqueezeNet_deploy", weights);
    const trainval = await caffeModel("squeezenet_v1.0/SqueezeNet_trainval", weights);
    const input = noise(inputShape(deploy, 2), -120, 130);
    const [a, b] = [await scores(deploy, input), await scores(trainval, input)];
    expectClose(b, softmax(a), 1e-5);
  });
});

const classifiers: readonly (readonly [string, () => Promise<Graph>, number, number])[] = [
  ["lenet", () => caffeModel("lenet/lenet", "lenet/lenet_iter_10000"), 0, 1],
  [
    "cifar10_quick",
    () => caffeModel("cifar10_quick/cifar10_quick", "cifar10_quick/cifar10_quick_iter_5000"),
    -120,
    130,
  ],
  ["resnet8", () => floatModel("resnet8_cifar10/resnet8-cifar10.onnx"), 0, 255],
  ["resnet20", () => floatModel("resnet20_cifar10/resnet20-cifar10.onnx"), -2, 2],
  [
    "vww_mobilenet",
    () => floatModel("vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96.onnx"),
    0,
    1,
  ],
  [
    "squeezenet",
    () =>
      caffeModel("squeezenet_v1.0/SqueezeNet_deploy", "squeezenet_v1.0/decompressed_SqueezeNet"),
    -120,
    130,
  ],
  ["mobilenet 0.25", () => floatModel("mobilenet_v1_0.25_128/mobilenet_v1_0.25_128.onnx"), -1, 1],
  [
    "mobilenet 1.0",
    () => caffeModel("mobilenet_v1_1.0_224/mobilenet_v1_1.0_224_exact_relu6"),
    -1,
    1,
  ],
];

describe.skipIf(!dataDir)(title("batch independence"), () => {
  it.each(classifiers)("%s", async (_name, load, low, high) => {
    const graph = await load();
    const batch = noise(inputShape(graph, 3), low, high);
    const together = await scores(graph, batch);
    for (const index of [0, 1, 2]) {
      const alone = await scores(graph, pictureOf(batch, index));
      expectClose(pictureOf(together, index), alone, 1e-5);
    }
  });
});
