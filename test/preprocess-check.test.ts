/**
 * The check of preprocessing on the reference networks: silent with right settings, and what it says of the
 * usual mistakes. Needs INLAY_DATA.
 */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDataset } from "../src/data/open.node.ts";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { floatNetwork, loadModel } from "../src/job/load-model.node.ts";
import type { ImageOptions } from "../src/job/options.ts";
import type { Warning } from "../src/notice.ts";
import { checkPreprocessing } from "../src/run/preprocess-check.ts";
import {
  type CifarFolder,
  cifarNetworks,
  context,
  dataDir,
  imagenetNetworks,
  lenet,
  type NetworkCase,
  unpackCifar,
} from "./networks.ts";

type Graphs = Parameters<typeof checkPreprocessing>[0];
type Case = Pick<NetworkCase, "name" | "model" | "images" | "calibrate" | "preprocess">;

const title = "preprocessing of the reference networks";
const root = dataDir ?? "";
const file = (...names: readonly string[]): readonly string[] =>
  names.map((name) => join(root, "models", name));

const imagenet = {
  images: { path: join(root, "imagenet", "val", "labels.txt") },
  calibrate: { path: join(root, "imagenet", "calibrate") },
};
const vww = "vww_mobilenet_v1_0.25_96/vww-mobilenet_v1_0.25_96";
const people: Preprocess = {
  ...defaultPreprocess,
  scale: 1 / 255,
  resize: { kind: "exact", width: 96, height: 96 },
};
const faces: Preprocess = {
  ...defaultPreprocess,
  mean: [127],
  scale: 1 / 128,
  resize: { kind: "exact", width: 320, height: 240 },
};

/** Networks that came without pictures of their own kind. */
const others: readonly Case[] = [
  { ...imagenet, name: "vww", model: file(`${vww}.onnx`), preprocess: people },
  {
    ...imagenet,
    name: "vww, Caffe",
    model: file(`${vww}_exact.prototxt`, `${vww}_exact.caffemodel`),
    preprocess: people,
  },
  {
    ...imagenet,
    name: "UltraFace",
    model: file("ultraface_rfb_320/version-RFB-320.onnx"),
    preprocess: faces,
  },
];

describe.skipIf(!dataDir)(dataDir ? title : `${title} (INLAY_DATA is unset)`, () => {
  let cifar: CifarFolder;
  let cases: ReadonlyMap<string, Case>;
  beforeAll(() => {
    cifar = unpackCifar();
    const all = [...imagenetNetworks, ...cifarNetworks(cifar), ...others, lenet];
    cases = new Map(all.map((one) => [one.name, one]));
  });
  afterAll(() => cifar.remove());

  const read = new Map<string, Graphs>();
  async function graphsOf({ name, model: files }: Case): Promise<Graphs> {
    const known = read.get(name);
    if (known !== undefined) return known;
    const model = await loadModel(files);
    const graphs = { imported: model.graph, float: floatNetwork(model) };
    read.set(name, graphs);
    return graphs;
  }

  /** Warnings of the network on its calibration pictures, and with right settings on its test pictures. */
  async function check(name: string, change?: Partial<Preprocess>): Promise<Warning[]> {
    const network = cases.get(name);
    if (network === undefined) throw new Error(`no network "${name}"`);
    const graphs = await graphsOf(network);
    const runtime = await nodeRuntime(context);
    const preprocess = { ...network.preprocess, ...change };
    const warnings: Warning[] = [];
    const sets = change === undefined ? [network.calibrate, network.images] : [network.calibrate];
    for (const pictures of sets) {
      const dataset = await open(pictures);
      await checkPreprocessing(graphs, dataset, preprocess, runtime, (one) => warnings.push(one));
    }
    return warnings;
  }

  function open({ path, root: below, limit }: ImageOptions) {
    return openDataset(path, {
      seed: 0,
      ...(below !== undefined && { root: below }),
      ...(limit !== undefined && { limit }),
    });
  }

  const names = [
    ...imagenetNetworks.map(({ name }) => name),
    ...others.map(({ name }) => name),
    "cifar10_quick",
    "resnet20",
    "resnet20, Caffe",
    "resnet8",
    "resnet8, Caffe",
    "LeNet",
  ];

  test.each(names)("%s: nothing is said of right settings", async (name) => {
    expect(await check(name)).toEqual([]);
  });

  const ordered = names.filter((name) => name !== "UltraFace" && name !== "LeNet");
  test.each(ordered)("%s: the wrong channel order is noticed", async (name) => {
    const right = cases.get(name)?.preprocess.order;
    const warnings = await check(name, { order: right === "rgb" ? "bgr" : "rgb" });
    expect(warnings.map(({ id }) => id)).toEqual(["channel-order"]);
    for (const { message } of warnings) expect(message).toContain(`--order ${right}`);
  });

  const plain: Partial<Preprocess> = { mean: [0], scale: 1, std: [1] };
  const unit: Partial<Preprocess> = { mean: [0], scale: 1 / 255, std: [1] };
  const halves: Partial<Preprocess> = { mean: [127.5], scale: 1 / 127.5, std: [1] };
  const caffe: Partial<Preprocess> = { mean: [104, 117, 123], scale: 1, std: [1] };
  const statistics = "preprocessing-statistics";
  const range = "preprocessing-range";

  test.each<[string, string, Partial<Preprocess>, string, string]>([
    ["resnet20", "no mean and scale", plain, statistics, "fits much better"],
    ["resnet20", "no mean", unit, statistics, "--order rgb --mean 123.675,116.28,103.53"],
    ["resnet20, Caffe", "no mean", plain, statistics, "--order bgr --mean 104,117,123"],
    ["resnet8", "a scale too much", unit, statistics, "--order rgb --mean 0 --scale 1"],
    ["resnet8, Caffe", "a mean too much", caffe, statistics, "--order rgb --mean 0 --scale 1"],
    ["vww", "no scale", plain, statistics, "--order rgb --mean 0 --scale 1/255"],
    ["vww, Caffe", "a mean too much", halves, statistics, "--order rgb --mean 0 --scale 1/255"],
    ["UltraFace", "no mean and scale", plain, statistics, "--mean 127.5 --scale 1/127.5"],
    ["UltraFace", "no mean", unit, statistics, "--mean 127.5 --scale 1/127.5"],
    ["MobileNetV1 1.0", "no mean and scale", plain, range, "too large"],
    ["MobileNetV1 0.25", "no scale", { mean: [127.5], scale: 1 }, range, "too large"],
    ["SqueezeNet", "a scale too much", unit, range, "too small"],
    ["cifar10_quick", "a scale too much", halves, range, "too small"],
  ])("%s: %s is noticed", async (name, _, change, id, text) => {
    const warnings = await check(name, change);
    expect(warnings.map((warning) => warning.id)).toEqual([id]);
    for (const { message } of warnings) expect(message).toContain(text);
  });
});
