/**
 * Fine-tuning as a whole: the four steps on drawn pictures, what is written, and that a run which was stopped ends as one
 * that was not.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodePng } from "../src/data/png.node.ts";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { demoClasses, demoFile, drawDemoImage } from "../src/job/demo-images.ts";
import type { FinetuneJob } from "../src/job/finetune/fine-tune.ts";
import { finetuneJob } from "../src/job/finetune.node.ts";
import type { JobContext } from "../src/job/options.ts";
import { runModelJob } from "../src/job/run-model.node.ts";

const net = `
name: "tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" convolution_param { num_output: 16 kernel_size: 3 pad: 1 bias_term: false } }
layer { name: "bn1" type: "BatchNorm" bottom: "conv1" top: "conv1" }
layer { name: "sc1" type: "Scale" bottom: "conv1" top: "conv1" scale_param { bias_term: true } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2" convolution_param { num_output: 32 kernel_size: 3 pad: 1 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "fc" type: "InnerProduct" bottom: "pool2" top: "fc" inner_product_param { num_output: ${demoClasses.length} } }
layer { name: "prob" type: "Softmax" bottom: "fc" top: "prob" }
`;

let folder = "";
const at = (name: string): string => join(folder, name);
const context: JobContext = { device: "cpu", threads: 1, seed: 3, command: ["inlay", "finetune"] };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "inlay-finetune-"));
  await writeFile(at("net.prototxt"), net);
  await writeFile(at("train.bin"), demoFile(1, 0, 640, 16));
  await writeFile(at("test.bin"), demoFile(1, 640, 200, 16));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

const job = (out: string, change: Partial<FinetuneJob> = {}): FinetuneJob => ({
  model: [at("net.prototxt")],
  target: "gti2803",
  chip: { bits: 2, waive: [] },
  preprocess: { ...defaultPreprocess, crop: 28, mean: [127.5], scale: 1 / 64 },
  train: { path: at("train.bin") },
  test: { path: at("test.bin") },
  ...{ ownClasses: false, fromScratch: true, learnCaps: false },
  stages: {
    float: { epochs: 3, rate: 0.05 },
    convolutions: { epochs: 1, rate: 0.02 },
    activations: { epochs: 1, rate: 0.02 },
    fused: { epochs: 1, rate: 0.002 },
  },
  ...{ batch: 32, momentum: 0.9, weightDecay: 1e-4 },
  augment: { flip: true },
  out: at(out),
  ...change,
});

describe("fine-tuning", () => {
  it("ends in a model whose simulation is the trained network", async () => {
    const report = await finetuneJob(job("a"), context);
    const { accuracy, bitMatch, convert, stages } = report;
    expect(stages.map(({ name }) => name)).toEqual([
      ...["float", "convolutions", "activations", "fused"],
    ]);
    expect(accuracy?.samples).toBe(200);
    expect(accuracy?.differing).toBe(0);
    expect(accuracy?.simulated.count).toBe(accuracy?.trained.count);
    // Chance is one in ten.
    expect(accuracy?.float.percent).toBeGreaterThan(50);
    expect(accuracy?.simulated.percent).toBeGreaterThan(40);
    expect(bitMatch).toEqual({ pictures: 200, matches: 200 });
    expect(convert?.layers.map(({ coefficientBits }) => coefficientBits)).toEqual([2, 2]);
  });

  it("goes on where it was stopped, bit for bit, and does nothing twice", async () => {
    for (const stops of [13, 41, 30]) {
      let asked = 0;
      const shouldStop = (): boolean => {
        asked += 1;
        return asked > stops;
      };
      const stopped = await finetuneJob(job("b", { shouldStop }), context);
      expect(stopped.stopped).toBe(true);
      expect(stopped.convert).toBeNull();
    }
    const report = await finetuneJob(job("b"), context);
    expect(report.stopped).toBe(false);
    const [whole, resumed] = [
      await readFile(at("a/tiny.model")),
      await readFile(at("b/tiny.model")),
    ];
    expect(resumed.equals(whole)).toBe(true);
    const again = await finetuneJob(job("b"), context);
    expect(again.stages.map(({ tests }) => tests)).toEqual(report.stages.map(({ tests }) => tests));
  });

  it("lets the float network teach", async () => {
    const distill = { share: 0.5, temperature: 2 };
    const few = { epochs: 0.5, rate: 0.01 };
    const stages = { float: few, convolutions: few, activations: few, fused: few };
    const report = await finetuneJob(job("c", { distill, stages }), context);
    expect(report.accuracy?.differing).toBe(0);
    expect(
      report.stages.flatMap(({ tests }) => tests).every(({ samples }) => samples === 200),
    ).toBe(true);
  });

  it("refuses what the chip cannot hold before it trains", async () => {
    await writeFile(
      at("wide.prototxt"),
      net.replace("kernel_size: 3 pad: 1 }", "kernel_size: 5 pad: 2 }"),
    );
    let asked = 0;
    const shouldStop = (): boolean => {
      asked += 1;
      return false;
    };
    const refused = finetuneJob(job("wide", { model: [at("wide.prototxt")], shouldStop }), context);
    await expect(refused).rejects.toThrow(/conv2: kernel: 5x5/);
    expect(asked).toBe(0);
  });

  it("stops where a learned cap has fallen to 0", async () => {
    const stages = { ...job("").stages, activations: { epochs: 1, rate: 1e6 } };
    const fallen = finetuneJob(job("caps", { learnCaps: true, stages }), context);
    await expect(fallen).rejects.toThrow(/quantRelu "relu\d": a cap .* fallen/);
  });

  it("takes folders of the user's own classes through to the model's labels", async () => {
    const names = ["apple", "bread", "cheese"];
    for (const [label, name] of names.entries()) {
      await mkdir(at(`own/${name}`), { recursive: true });
      for (let index = 0; index < 40; index += 1) {
        const { image } = drawDemoImage(5, demoClasses.length * index + label, 16);
        await writeFile(at(`own/${name}/${index}.png`), encodePng(image));
      }
    }
    const part = { path: at("own"), split: 0.75 };
    const own = job("own-out", {
      ...{ ownClasses: true, chip: { bits: 12, waive: [] } },
      train: { ...part, part: "first" },
      test: { ...part, part: "second" },
      stages: { ...job("").stages, float: { epochs: 12, rate: 0.02 } },
      batch: 16,
    });
    const report = await finetuneJob(own, context);
    expect(report.classes).toEqual(names);
    expect(report.train.samples + report.test.samples).toBe(120);
    expect(report.accuracy?.differing).toBe(0);
    expect(report.accuracy?.simulated.percent).toBeGreaterThan(50);
    const run = await runModelJob(
      { model: at("own-out/tiny.model"), images: { path: at("own/cheese/0.png") } },
      context,
    );
    expect(run.pictures[0]?.best.map(({ name }) => name).toSorted()).toEqual(names);
  });

  it("refuses labels that the network has no score for", async () => {
    const few = net.replace(`num_output: ${demoClasses.length}`, "num_output: 3");
    await writeFile(at("few.prototxt"), few);
    const wrong = job("d", { model: [at("few.prototxt")] });
    await expect(finetuneJob(wrong, context)).rejects.toThrow(
      /train\.bin#3.*label is out of range.*0\.\.2.*got 3/,
    );
  });
});
