/**
 * `quantize` for a chip of major layers, end to end: a small float network and drawn pictures in, a folder out that
 * simulates as the definition says. Real networks where INLAY_DATA is set.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batches } from "../src/data/batch.ts";
import { openDataset } from "../src/data/open.node.ts";
import { defaultPreprocess, type Preprocess } from "../src/data/preprocess.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { lowerToOnnx } from "../src/formats/onnx/lower.ts";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { scalarGraph, simulationGraph } from "../src/job/chip/simulation-graph.ts";
import { readChipModel } from "../src/job/chip-model.node.ts";
import { evaluateJob } from "../src/job/evaluate.node.ts";
import type { QuantizeJob } from "../src/job/options.ts";
import { quantizeChipJob } from "../src/job/quantize.node.ts";
import { canonicalize } from "../src/passes/pipeline.ts";
import { defaultQuantizeOptions } from "../src/quantize/options.ts";
import { pictureSize, withPictureInput } from "../src/run/prepare.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { createRandom } from "../src/tensor/random.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { bitmapFile } from "./bit-match-files.ts";
import { withFloatConstants } from "./float-constants.ts";
import { NetBuilder } from "./gti-nets.ts";
import { type CifarFolder, cifarNetworks, context, dataDir, unpackCifar } from "./networks.ts";
import { say } from "./say.ts";

const folder = mkdtempSync(join(tmpdir(), "inlay-gti-quantize-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const size = 28;

/** A network of two resolutions with a depthwise layer and a shortcut, and a classifier behind. */
function smallGraph(): Graph {
  const net = new NetBuilder(size, 3, 7);
  net.conv(16, { activation: "clip" });
  net.pool("sample");
  net.depthwise({ activation: "clip" });
  net.conv(32, { kernel: 1 });
  net.conv(32);
  net.block(32);
  net.classifier(10);
  return net.graph();
}

/** A chain without a classifier, in a file, and what pictures become for it. */
function writtenChain(): {
  readonly chain: string;
  readonly float: Graph;
  readonly preprocess: Preprocess;
} {
  const net = new NetBuilder(size, 3, 7);
  net.conv(16);
  net.pool("max");
  net.depthwise({ activation: "clip" });
  net.conv(32, { kernel: 1 });
  net.conv(32);
  net.conv(32);
  net.conv(32);
  const chain = join(folder, "chain.onnx");
  writeFileSync(chain, lowerToOnnx(net.graph(), { batch: 1 }));
  const preprocess = { ...defaultPreprocess, scale: 1 / 255 };
  return { chain, float: canonicalize(net.graph()), preprocess };
}

/** Squared distance of a chip's scores from the float network's, as a share of how far those spread. */
async function distance(
  float: Graph,
  preprocess: Preprocess,
  chip: Graph,
  list: string,
): Promise<number> {
  const [want, got] = [
    await scores(float, preprocess, list),
    await scores(chip, defaultPreprocess, list),
  ];
  const mean = want.reduce((a, b) => a + b, 0) / want.length;
  const sum = (one: (value: number, at: number) => number): number =>
    want.reduce((total, value, at) => total + one(value, at) ** 2, 0);
  return sum((value, at) => value - (got[at] ?? 0)) / sum((value) => value - mean);
}

async function scores(
  graph: Graph,
  preprocess: Preprocess,
  list: string,
): Promise<readonly number[]> {
  const ready = withPictureInput(graph, preprocess);
  const session = await openSession(ready, await nodeRuntime({ threads: 2 }));
  const dataset = await openDataset(list, { seed: 0 });
  const found: number[] = [];
  try {
    const reading = { batch: 1, readAhead: 0 };
    for await (const { images } of batches(dataset, preprocess, pictureSize(graph), reading)) {
      const values = await session.run(new Map([[session.inputs[0] ?? "", images]]));
      found.push(...toNumbers(values.get(ready.outputs[0]?.id ?? "") as Tensor));
    }
  } finally {
    await session.release();
  }
  return found;
}

function drawPictures(count: number): string {
  const random = createRandom(3);
  const lines = Array.from({ length: count }, (_, at) => {
    const name = `p${at}.bmp`;
    writeFileSync(join(folder, name), bitmapFile(size, random.below(1e6)));
    return `${name} ${at % 10}`;
  });
  const list = join(folder, "list.txt");
  writeFileSync(list, `${lines.join("\n")}\n`);
  return list;
}

const jobFor = (model: readonly string[], path: string, out: string): QuantizeJob => ({
  model,
  target: "gti2803",
  calibrate: { path },
  preprocess: { ...defaultPreprocess, mean: [127.5], scale: 1 / 127.5 },
  method: "mse",
  options: defaultQuantizeOptions,
  out,
});

describe("quantize for a chip", () => {
  let list = "";
  const model = join(folder, "small.onnx");
  beforeAll(() => {
    writeFileSync(model, lowerToOnnx(smallGraph(), { batch: 1 }));
    list = drawPictures(12);
  });

  it("writes a model that simulates as its definition, on every element", async () => {
    const out = join(folder, "out");
    const job = { ...jobFor([model], list, out), evaluate: { path: list } };
    const report = await quantizeChipJob({ ...job, chip: { bits: 12, waive: [] } }, context);
    expect(report).toMatchObject({
      target: "gti2803",
      deployable: true,
      waived: [],
      image: "inlay",
    });
    expect(report.accuracy?.samples).toBe(12);
    expect(report.files).toContain("net.json");
    const chip = await readChipModel(join(out, report.modelFile));
    const [definition, fast] = [scalarGraph(chip), simulationGraph(chip)];
    const runtime = await nodeRuntime({ threads: 2 });
    expect(nodesOf(definition, "shiftConv")).toHaveLength(6);
    // A strided layer is computed at the sampled pixels alone: there the pooling stands for it.
    const levels = definition.nodes.filter(({ op }) => op === "shiftConv" || op === "maxPool");
    const ids = levels.map(({ id }) => id).filter((id) => fast.nodes.some((one) => one.id === id));
    expect(ids).toHaveLength(levels.length - 1);
    const random = createRandom(9);
    const [input] = nodesOf(definition, "input");
    const pixels = Float32Array.from({ length: 3 * size * size }, () => random.below(256));
    const feeds = new Map([[input?.id ?? "", float32([1, 3, size, size], pixels)]]);
    const outputs = ids.map((id) => ({ name: id, id }));
    const want = runScalar({ ...definition, outputs }, feeds);
    const session = await openSession({ ...fast, outputs }, runtime);
    try {
      const got = await session.run(feeds);
      const numbersOf = (value: Tensor | undefined): readonly number[] =>
        value === undefined ? [] : toNumbers(value);
      for (const id of ids) expect(numbersOf(got.get(id))).toEqual(numbersOf(want.get(id)));
    } finally {
      await session.release();
    }
    const again = await evaluateJob({ model: [out], images: { path: list } }, context);
    expect(again).toMatchObject({ deployable: true, top1: report.accuracy?.simulated });
  });

  it("comes closer to the float network with copies of channels, corrected or not", async () => {
    const { chain, float, preprocess } = writtenChain();
    const error = async (channelCopies: number, biasCorrection: boolean): Promise<number> => {
      const out = join(folder, `copies${channelCopies}${biasCorrection}`);
      const options = { ...defaultQuantizeOptions, biasCorrection };
      const job = { ...jobFor([chain], list, out), preprocess, options, channelCopies };
      const report = await quantizeChipJob({ ...job, chip: { bits: 12, waive: [] } }, context);
      expect(report.deployable).toBe(true);
      const copies = report.layers.map((layer) => layer.copies);
      // What the host reads has no copies.
      expect(Math.max(...copies)).toBe(channelCopies);
      expect(copies.at(-1)).toBe(1);
      const chip = await readChipModel(join(out, report.modelFile));
      return await distance(float, preprocess, simulationGraph(chip), list);
    };
    for (const corrected of [true, false]) {
      const [one, four] = [await error(1, corrected), await error(4, corrected)];
      say(
        `small network, 12 bits, corrected: ${corrected}: 4 copies leave ${four / one} of the error`,
      );
      expect(four).toBeLessThan(0.8 * one);
    }
  });

  it("comes closer with 8-bit weights that make good each other's errors", async () => {
    const { chain, float, preprocess } = writtenChain();
    // Of 5 bits the activations would lose most.
    const chip = { bits: 8, activationBits: 10, waive: [] } as const;
    const error = async (rounding: "compensated" | "nearest" | undefined): Promise<number> => {
      const out = join(folder, `rounding-${rounding}`);
      const job = { ...jobFor([chain], list, out), target: "gti5801", preprocess, chip, rounding };
      const report = await quantizeChipJob(job, context);
      const model = await readChipModel(join(out, report.modelFile));
      return await distance(float, preprocess, simulationGraph(model), list);
    };
    const [usual, compensated] = [await error(undefined), await error("compensated")];
    const nearest = await error("nearest");
    say(`small network, 8 bits: compensated rounding leaves ${compensated / nearest} of the error`);
    expect(usual).toBe(compensated);
    expect(compensated).toBeLessThan(0.9 * nearest);
    const job = { ...jobFor([chain], list, folder), preprocess, rounding: "compensated" } as const;
    await expect(
      quantizeChipJob({ ...job, chip: { bits: 5, waive: [] } }, context),
    ).rejects.toThrow(/weights of few bits/);
    const options = { ...defaultQuantizeOptions, biasCorrection: false };
    await expect(
      quantizeChipJob({ ...job, options, chip: { bits: 12, waive: [] } }, context),
    ).rejects.toThrow(/part of the bias correction/);
  });

  it("keeps an outlier clipped that a factor would bring back", async () => {
    const net = new NetBuilder(size, 3, 7);
    net.conv(16, { activation: "clip" });
    net.conv(256, { kernel: 1, activation: "clip" });
    // What clipping takes of 1.02 the correction wants to give back, and then the shift falls by one.
    const graph = withFloatConstants(net.graph(), (values, id) =>
      id === "conv2.w" ? values.map((w, at) => (at < 16 ? 0.01 : 0.307) * w).with(0, 1.02) : values,
    );
    const outlier = join(folder, "outlier.onnx");
    writeFileSync(outlier, lowerToOnnx(graph, { batch: 1 }));
    const preprocess = { ...defaultPreprocess, scale: 1 / 64 };
    for (const rounding of ["compensated", "nearest"] as const) {
      const out = join(folder, `outlier-${rounding}`);
      const job = { ...jobFor([outlier], list, out), target: "gti5801", preprocess, rounding };
      const chip = { bits: 8, waive: [] } as const;
      const { layers } = await quantizeChipJob({ ...job, chip, equalize: false }, context);
      expect(layers.at(-1)).toMatchObject({ shift: 7, maxWeight: 127 / 128 });
    }
  });

  it("repeats to the byte", async () => {
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    const options = { chip: { bits: 5, waive: [] } } as const;
    const first = await quantizeChipJob({ ...jobFor([model], list, a), ...options }, context);
    await quantizeChipJob({ ...jobFor([model], list, b), ...options }, context);
    for (const file of ["coef.dat", first.modelFile]) {
      expect(readFileSync(join(b, file)).equals(readFileSync(join(a, file)))).toBe(true);
    }
  });

  it("refuses what the chip cannot hold, and marks what a waiver let through", async () => {
    const net = new NetBuilder(20, 3, 7);
    net.conv(16, { kernel: 5 });
    net.classifier(10);
    const other = join(folder, "other.onnx");
    writeFileSync(other, lowerToOnnx(net.graph(), { batch: 1 }));
    const out = join(folder, "other");
    const job = jobFor([other], list, out);
    const strict = quantizeChipJob({ ...job, chip: { waive: [] } }, context);
    await expect(strict).rejects.toThrow(/kernel: 5x5/);
    const chip = { bits: 12, waive: ["kernel", "image-size"] } as const;
    const report = await quantizeChipJob({ ...job, chip }, context);
    expect(report).toMatchObject({ deployable: false, waived: expect.arrayContaining(["kernel"]) });
    const judged = await evaluateJob({ model: [out], images: { path: list } }, context);
    expect(judged.deployable).toBe(false);
  });

  it("refuses a mean image, and bits that the chip does not have", async () => {
    const job = jobFor([model], list, join(folder, "none"));
    const wrong = quantizeChipJob({ ...job, chip: { bits: 8, waive: [] } }, context);
    await expect(wrong).rejects.toThrow(/coefficient-bits/);
    const mean = { file: "mean.binaryproto", shape: [3, size, size], values: [] } as const;
    const values = new Array<number>(3 * size * size).fill(100);
    const preprocess = { ...job.preprocess, mean: { ...mean, values } };
    const image = quantizeChipJob({ ...job, preprocess, chip: { waive: [] } }, context);
    await expect(image).rejects.toThrow(/mean image/);
  });
});

const title = dataDir ? "resnet20 on 4,000 pictures" : "resnet20 (INLAY_DATA is unset)";

describe.skipIf(!dataDir)(title, () => {
  let cifar: CifarFolder;
  beforeAll(() => {
    cifar = unpackCifar();
  });
  afterAll(() => cifar?.remove());

  it("keeps its accuracy at 12 bits with waived rules", async () => {
    const network = cifarNetworks(cifar).find(({ name }) => name === "resnet20, Caffe");
    if (network === undefined) throw new Error("no such network");
    const report = await quantizeChipJob(
      {
        model: network.model,
        target: "gti2803",
        calibrate: network.calibrate ?? cifar.calibrate,
        evaluate: cifar.test,
        preprocess: network.preprocess,
        method: "mse",
        options: defaultQuantizeOptions,
        chip: { bits: 12, waive: ["image-size", "shortcut"] },
        out: join(folder, "resnet20"),
      },
      context,
    );
    const { float, simulated, changedImages } = report.accuracy ?? {};
    say(
      `resnet20, gti2803, 12 bits: ${float?.count} -> ${simulated?.count} of 4000, ${changedImages} changed`,
    );
    expect(report.deployable).toBe(false);
    expect(float?.count).toBe(3244);
    expect((float?.percent ?? 0) - (simulated?.percent ?? 0)).toBeLessThanOrEqual(3.5);
  });
});
