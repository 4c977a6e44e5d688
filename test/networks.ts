/**
 * The real networks that accuracy is held on, with their preprocessing and the counts that another
 * implementation gets. Needs INLAY_DATA.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parseMean } from "../src/data/mean.ts";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import type { ImageOptions, JobContext } from "../src/job/options.ts";
import { caffeBlobSchema } from "../src/protobuf/caffe-blob.ts";
import { encode } from "../src/protobuf/encode.ts";
import { untar } from "./untar.ts";

export const dataDir: string | undefined = process.env["INLAY_DATA"];
const root = dataDir ?? "";

/** One thread, so that test files run beside each other. */
export const context: JobContext = { device: "cpu", threads: 1, seed: 0, command: [] };

export type NetworkCase = {
  readonly name: string;
  readonly model: readonly string[];
  readonly images: ImageOptions;
  readonly calibrate: ImageOptions;
  readonly preprocess: Preprocess;
  readonly top1: number;
  /** Undefined where the reference gives none. */
  readonly top5?: number;
  /** How far a count may be off: the JPEG decoder may move a borderline picture. */
  readonly slack: number;
  /** Top-1 points that int8 may cost; undefined where only the float network is held. */
  readonly maxLoss?: number;
};

const model = (...names: readonly string[]): readonly string[] =>
  names.map((name) => join(root, "models", name));
const preprocess = (some: Partial<Preprocess>): Preprocess => ({ ...defaultPreprocess, ...some });

const imagenet: Pick<NetworkCase, "images" | "calibrate" | "slack"> = {
  images: { path: join(root, "imagenet", "val", "labels.txt") },
  calibrate: { path: join(root, "imagenet", "calibrate") },
  slack: 2,
};
const halves = { mean: [127.5], scale: 1 / 127.5 };
const full = preprocess({ ...halves, order: "bgr", crop: 224 });
const small = preprocess({ ...halves, crop: 224, resizeAfter: 128 });
const smallBgr: Preprocess = { ...small, order: "bgr" };
const mobilenet = "mobilenet_v1_1.0_224/mobilenet_v1_1.0_224";
const quarter = "mobilenet_v1_0.25_128/mobilenet_v1_0.25_128";

export const imagenetNetworks: readonly NetworkCase[] = [
  {
    ...imagenet,
    name: "SqueezeNet",
    model: model(
      "squeezenet_v1.0/SqueezeNet_deploy.prototxt",
      "squeezenet_v1.0/decompressed_SqueezeNet.caffemodel",
    ),
    preprocess: preprocess({ order: "bgr", mean: [104, 117, 123], crop: 227 }),
    top1: 353,
    top5: 453,
    maxLoss: 1.2,
  },
  {
    ...imagenet,
    name: "MobileNetV1 1.0",
    model: model(`${mobilenet}_exact_relu6.prototxt`, `${mobilenet}_exact_relu6.caffemodel`),
    preprocess: full,
    top1: 395,
    top5: 477,
    maxLoss: 1.2,
  },
  {
    ...imagenet,
    name: "MobileNetV1 0.25",
    model: model(`${quarter}.onnx`),
    preprocess: small,
    top1: 264,
    top5: 395,
    maxLoss: 1.2,
  },
  {
    ...imagenet,
    name: "MobileNetV1 1.0, Clip layers",
    model: model(`${mobilenet}_exact_clip.prototxt`, `${mobilenet}_exact_relu6.caffemodel`),
    preprocess: full,
    top1: 395,
    top5: 477,
  },
  {
    ...imagenet,
    name: "MobileNetV1 1.0, pad 1",
    model: model(`${mobilenet}_relu6.prototxt`, `${mobilenet}.caffemodel`),
    preprocess: full,
    top1: 386,
    top5: 473,
  },
  {
    ...imagenet,
    name: "MobileNetV1 0.25, opset 10",
    model: model(`${quarter}_op10.onnx`),
    preprocess: small,
    top1: 264,
    top5: 395,
  },
  {
    ...imagenet,
    name: "MobileNetV1 0.25, Caffe ReLU6",
    model: model(`${quarter}_relu6.prototxt`, `${quarter}.caffemodel`),
    preprocess: smallBgr,
    top1: 151,
    top5: 271,
  },
  {
    ...imagenet,
    name: "MobileNetV1 0.25, Caffe ReLU",
    model: model(`${quarter}.prototxt`, `${quarter}.caffemodel`),
    preprocess: smallBgr,
    top1: 85,
    top5: 177,
  },
];

const digits = { path: join(root, "mnist", "t10k-images-idx3-ubyte.gz") };

export const lenet: NetworkCase = {
  name: "LeNet",
  model: model("lenet/lenet.prototxt", "lenet/lenet_iter_10000.caffemodel"),
  images: digits,
  calibrate: { ...digits, limit: 200 },
  preprocess: preprocess({ scale: 1 / 256 }),
  top1: 9905,
  slack: 0,
  maxLoss: 0.6,
};

/** The CIFAR pictures, lists and mean file, unpacked to a folder of their own. */
export type CifarFolder = {
  readonly test: ImageOptions;
  /** 250 training pictures, evenly over the classes. */
  readonly calibrate: ImageOptions;
  readonly mean: string;
  readonly remove: () => void;
};

export function unpackCifar(): CifarFolder {
  const folder = mkdtempSync(join(tmpdir(), "inlay-networks-"));
  const source = join(root, "cifar10");
  const archive = gunzipSync(readFileSync(join(source, "cifar10_jpeg_50k_4k.tar.gz")));
  const lines = readFileSync(join(source, "train_labels.txt"), "utf8").trim().split("\n");
  const some = lines.filter((_, at) => at % 200 === 0);
  const training = new Set(some.map((line) => line.slice(0, line.lastIndexOf(" "))));
  untar(archive, folder, (name) => name.startsWith("test/") || training.has(name));
  writeFileSync(join(folder, "calibrate.txt"), `${some.join("\n")}\n`);
  const values = new Float32Array(
    new Uint8Array(readFileSync(join(source, "mean_rgb_chw.f32"))).buffer,
  );
  const blob = { num: 1, channels: 3, height: 32, width: 32, data: values };
  const mean = join(folder, "mean.binaryproto");
  writeFileSync(mean, encode(caffeBlobSchema, "BlobProto", blob));
  return {
    test: { path: join(source, "test_labels.txt"), root: folder },
    calibrate: { path: join(folder, "calibrate.txt"), root: folder },
    mean,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export function cifarNetworks(cifar: CifarFolder): readonly NetworkCase[] {
  const common = { images: cifar.test, calibrate: cifar.calibrate, slack: 6 };
  return [
    {
      ...common,
      name: "cifar10_quick",
      model: model(
        "cifar10_quick/cifar10_quick.prototxt",
        "cifar10_quick/cifar10_quick_iter_5000.caffemodel",
      ),
      preprocess: preprocess({ mean: parseMean(readFileSync(cifar.mean), cifar.mean) }),
      top1: 2928,
      maxLoss: 0.6,
    },
    {
      ...common,
      name: "resnet20",
      model: model("resnet20_cifar10/resnet20-cifar10.onnx"),
      preprocess: preprocess({
        scale: 1 / 255,
        mean: [0.485 * 255, 0.456 * 255, 0.406 * 255],
        std: [0.229, 0.224, 0.225],
      }),
      top1: 3244,
      maxLoss: 0.6,
    },
    {
      ...common,
      name: "resnet8",
      model: model("resnet8_cifar10/resnet8-cifar10.onnx"),
      preprocess: defaultPreprocess,
      top1: 3048,
      maxLoss: 0.6,
    },
    {
      ...common,
      name: "resnet20, Caffe",
      model: model(
        "resnet20_cifar10/resnet20-cifar10.prototxt",
        "resnet20_cifar10/resnet20-cifar10.caffemodel",
      ),
      preprocess: preprocess({ order: "bgr", mean: [103.53, 116.28, 123.675] }),
      top1: 3244,
    },
    {
      ...common,
      name: "resnet8, Caffe",
      model: model(
        "resnet8_cifar10/resnet8-cifar10_exact.prototxt",
        "resnet8_cifar10/resnet8-cifar10_exact.caffemodel",
      ),
      preprocess: defaultPreprocess,
      top1: 3048,
    },
  ];
}
