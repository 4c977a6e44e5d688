/**
 * Detectors and other networks that are no classifiers, quantized by the whole job on drawn pictures:
 * several outputs, float layers in between, host operators at the end. Needs INLAY_DATA.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import type { Graph } from "../src/ir/graph.ts";
import { evaluateJob } from "../src/job/evaluate.node.ts";
import { loadModel } from "../src/job/load-model.node.ts";
import { quantizeJob } from "../src/job/quantize.node.ts";
import type { Warning } from "../src/notice.ts";
import { defaultQuantizeOptions } from "../src/quantize/options.ts";
import type { QuantizeReport } from "../src/report/reports.ts";
import { createRandom } from "../src/tensor/random.ts";
import { checkScalar } from "./check-network.ts";
import { at, dataDir, floatModel, inputShape } from "./model-run.ts";
import { context } from "./networks.ts";

const title = (what: string): string => (dataDir ? what : `${what} (INLAY_DATA is unset)`);
const folder = mkdtempSync(join(tmpdir(), "inlay-outputs-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const preprocess: Preprocess = { ...defaultPreprocess, mean: [127.5], scale: 1 / 128 };
const count = 12;

/** Blurred noise, more and more blurred, in the size that the network takes. */
async function drawPictures(graph: Graph, name: string): Promise<string> {
  const path = join(folder, name);
  mkdirSync(path, { recursive: true });
  const [, channels = 3, height = 1, width = 1] = inputShape(graph, 1);
  const random = createRandom(width, height);
  for (let index = 0; index < count; index += 1) {
    const pixels = Uint8Array.from({ length: height * width * channels }, () => random.below(256));
    const raw = { width, height, channels: channels === 1 ? 1 : 3 } as const;
    const picture = sharp(pixels, { raw }).blur(1 + index / 4);
    await picture
      .normalise()
      .png()
      .toFile(join(path, `${index}.png`));
  }
  return path;
}

type Quantized = {
  readonly report: QuantizeReport;
  readonly warnings: readonly Warning[];
  readonly out: string;
  readonly images: string;
};

async function quantize(name: string, files: readonly string[]): Promise<Quantized> {
  const images = await drawPictures(await floatModel(...files), name);
  const out = join(folder, `${name}-out`);
  const warnings: Warning[] = [];
  const report = await quantizeJob(
    {
      model: files.map((file) => at("models", file)),
      target: "int8",
      calibrate: { path: images },
      preprocess,
      method: "mse",
      options: defaultQuantizeOptions,
      out,
    },
    { ...context, onWarning: (warning) => warnings.push(warning) },
  );
  return { report, warnings, out, images };
}

const caffe = (net: string): readonly string[] => [`${net}.prototxt`, `${net}.caffemodel`];
const ultraface = "ultraface_rfb_320";
const heads = ["boxes", "scores"];

type Case = {
  readonly name: string;
  readonly files: readonly string[];
  /** Outputs of the network that is written. */
  readonly outputs: readonly string[];
  /** Convolutions and fully connected layers in integers. */
  readonly layers: number;
  /** Operators that stay in float. */
  readonly float: readonly string[];
};

const cases: readonly Case[] = [
  {
    name: "det1",
    files: caffe("mtcnn/det1"),
    outputs: ["conv4-2", "prob1"],
    layers: 5,
    float: ["prelu", "softmax"],
  },
  {
    name: "det2",
    files: caffe("mtcnn/det2"),
    outputs: ["conv5-2", "prob1"],
    layers: 6,
    float: ["prelu", "softmax"],
  },
  {
    name: "det3",
    files: caffe("mtcnn/det3"),
    outputs: ["conv6-2", "conv6-3", "prob1"],
    layers: 8,
    float: ["prelu", "softmax"],
  },
  {
    name: "ultraface",
    files: [`${ultraface}/RFB-320.prototxt`, `${ultraface}/RFB-320.caffemodel`],
    outputs: heads,
    layers: 52,
    float: ["concat", "reshape", "softmax", "transpose"],
  },
  {
    name: "ultraface-onnx",
    files: [`${ultraface}/version-RFB-320_without_postprocessing.onnx`],
    outputs: heads,
    layers: 52,
    float: ["concat", "reshape", "softmax", "transpose"],
  },
  {
    name: "detect",
    files: caffe("wechat_qr_ssd/detect"),
    outputs: ["mbox_conf_flatten", "mbox_loc", "mbox_priorbox"],
    layers: 80,
    float: ["concat", "flatten", "reshape", "softmax", "transpose"],
  },
];

describe.skipIf(!dataDir)(title("quantizing"), () => {
  it.each(cases)(
    "$name",
    async ({ name, files, outputs, layers, float }) => {
      const { report, warnings, out, images } = await quantize(name, files);
      const { graph } = await loadModel([out]);
      expect(graph.outputs.map((output) => output.name).toSorted()).toEqual(outputs);
      expect(report.layers.length).toBe(layers);
      expect([...new Set(report.floatLayers.map(({ op }) => op))].toSorted()).toEqual(float);
      for (const { name: layer, outputSqnrDb } of report.layers) {
        expect(outputSqnrDb, layer).toBeGreaterThan(8);
      }
      const told = warnings.filter(({ id }) => id === "ends-before-host").length;
      expect(told).toBe(name === "detect" ? 1 : 0);
      const network = {
        name,
        model: files,
        images: { path: images },
        calibrate: { path: images },
        preprocess,
        top1: 0,
        slack: 0,
      };
      expect(await checkScalar(network, out, 1)).toBeGreaterThan(0);
    },
    120_000,
  );
});

describe.skipIf(!dataDir)(title("evaluating what is no classifier"), () => {
  async function evaluate(net: string): Promise<readonly string[]> {
    const images = { path: await drawPictures(await floatModel(...caffe(net)), `${net}-pictures`) };
    const ids: string[] = [];
    await evaluateJob(
      { model: caffe(net).map((file) => at("models", file)), images, preprocess },
      { ...context, onWarning: ({ id }) => ids.push(id) },
    );
    return ids;
  }

  it("says which of several outputs is taken for scores", async () => {
    expect(await evaluate("mtcnn/det1")).toContain("several-outputs");
  });

  it("refuses detections", async () => {
    await expect(evaluate("wechat_qr_ssd/detect")).rejects.toThrow("detections, not one score");
  });
});
