/**
 * `inlay calibrate-quant-relu` and `inlay refine-network` from words to files, on a small residual network with an LMDB.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { LayerParameter } from "../src/formats/caffe/schema/schema.ts";
import { openDataLayer } from "../src/job/data-layer.node.ts";
import { largestDifference } from "../src/job/mdk/float-function.ts";
import { blobsOf, graphOf, readTrainNet, type TrainNet } from "../src/job/mdk/train-net.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import type { Report } from "../src/report/reports.ts";
import { reportSchemas } from "../src/report/schema.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { float32 } from "../src/tensor/tensor.ts";
import { trainPictures, trainText, trainWeights } from "./residual-train-net.ts";
import { type Outcome, runCli } from "./run-cli.ts";
import { writeLmdb } from "./write-lmdb.ts";

const base = mkdtempSync(join(tmpdir(), "inlay-mdk-"));
afterAll(() => rmSync(base, { recursive: true }));

let folder = base;
let runs = 0;
beforeEach(() => {
  runs += 1;
  folder = join(base, `${runs}`);
  mkdirSync(join(folder, "nets"), { recursive: true });
});

async function inlay(...argv: readonly string[]): Promise<Outcome> {
  return await runCli(folder, argv);
}

/** The report that `--json` printed, checked against its schema. */
async function report<K extends Report["schema"]>(
  schema: K,
  ...argv: readonly string[]
): Promise<Extract<Report, { schema: K }>> {
  const { code, out, err } = await inlay(...argv, "--json");
  expect([code, err.replaceAll(/^warning: .*\n/gm, "")]).toEqual([0, ""]);
  const value: unknown = JSON.parse(out);
  expect(checkSchema(reportSchemas[schema], value)).toEqual([]);
  return value as Extract<Report, { schema: K }>;
}

/** `nets/net.prototxt`, `nets/net.caffemodel` and the database in `db`, beside `nets`. */
function write(text: string, weights: Uint8Array, pictures = 5): void {
  writeFileSync(join(folder, "nets", "net.prototxt"), text);
  writeFileSync(join(folder, "nets", "net.caffemodel"), weights);
  writeLmdb(join(folder, "db"), trainPictures(pictures));
}

const files = ["--prototxt=nets/net.prototxt", "--caffemodel=nets/net.caffemodel"];
const calibrate = ["calibrate-quant-relu", ...files];
const refine = ["refine-network", ...files];

function read(prototxt: string, caffemodel: string): TrainNet {
  const named = (name: string) => ({
    name,
    bytes: new Uint8Array(readFileSync(join(folder, name))),
  });
  return readTrainNet(named(prototxt), named(caffemodel), () => {});
}

const layerOf = ({ net }: TrainNet, name: string): LayerParameter =>
  net.layer.find((layer) => layer.name === name)!;

/** Pictures as levels 0..31. */
const levels = { transform: "quant_enable: true" };
/** Pictures as numbers around 0. */
const numbers = {
  transform: "scale: 0.0078125 mean_value: 104 mean_value: 117 mean_value: 123",
};

describe("calibrate-quant-relu", () => {
  it("writes what the manual names, with fixed caps, and appends to the log", async () => {
    write(trainText(levels), trainWeights(31));
    const made = await report("inlay.calibrate-quant-relu/1", ...calibrate, "--num-batches=2");
    expect(made).toMatchObject({ samples: 4, batches: 2, percentile: 0.999, likeMdk: false });
    expect(made.files).toEqual(
      [
        "QuantRelu/net_quantRelu.prototxt",
        "QuantRelu/net_quantRelu.caffemodel",
        "ReLUAlpha.log",
      ].map((name) => join(folder, name)),
    );
    expect(made.layers.map(({ layer, watched, count }) => [layer, watched, count])).toEqual(
      ["relu0", "relu1", "relu2"].map((name) => [name, name, 4 * 4 * 64]),
    );
    const [first, second, third] = made.layers;
    const joined = Math.max(first!.value, third!.value);
    expect(made.layers.map(({ cap }) => cap)).toEqual([joined, second!.value, joined]);
    const net = read("QuantRelu/net_quantRelu.prototxt", "QuantRelu/net_quantRelu.caffemodel");
    for (const { layer, cap } of made.layers) {
      const relu = layerOf(net, layer);
      expect(relu.quant_relu_param).toMatchObject({ quant_enable: true, act_bits: 5 });
      expect(relu.quant_relu_param?.filler).toMatchObject({ value: cap });
      expect(relu.param).toMatchObject([{ lr_mult: 0, decay_mult: 0 }]);
      expect(blobsOf(net, relu)![0]!.data).toEqual(Float32Array.of(cap));
    }
    const text = readFileSync(join(folder, "QuantRelu/net_quantRelu.prototxt"), "utf8");
    expect(text).toContain('name: "residual"\nlayer {\n  name: "data"\n');
    expect(text).not.toContain("#");
    expect(text.match(/source: "db"/g)).toHaveLength(2);
    await inlay(...calibrate, "--force");
    const log = readFileSync(join(folder, "ReLUAlpha.log"), "utf8");
    expect(log).toMatch(
      /^\S+net\.prototxt, \S+: 2 batches of 2 from \S+, percentile 0\.999\nlayer +alpha\nrelu0 +\d/,
    );
    expect(log.match(/relu2/g)).toHaveLength(2);
    expect(log).toContain(": 20 batches of 2 from ");
  });

  it("takes the exact percentile of the layer's own output, behind the sum", async () => {
    write(trainText(levels), trainWeights(31));
    const { layers } = await report(
      "inlay.calibrate-quant-relu/1",
      ...[...calibrate, "--num_batches=1", "-percentile", "0.75", "--phase=train"],
    );
    const trained = read("nets/net.prototxt", "nets/net.caffemodel");
    const { dataset, layer } = await openDataLayer(trained.net, {
      ...{ phase: "TRAIN", prototxt: join(folder, "nets", "net.prototxt"), folder },
      ...{ batches: 1, onWarning: () => {} },
    } as const);
    const pixels = new Float32Array(2 * 192);
    for (const [at, sample] of dataset.samples.entries()) {
      const { data } = await sample.load();
      for (const [index, value] of data.entries()) {
        // Interleaved red, green, blue to planes blue, green, red.
        pixels[at * 192 + (2 - (index % 3)) * 64 + Math.floor(index / 3)] = value;
      }
    }
    const graph = graphOf(trained, layer, [2, 3, 8, 8]);
    const outputs = layers.map(({ layer: id }) => ({ name: id, id }));
    const values = runScalar(
      { ...graph, outputs },
      new Map([["data", float32([2, 3, 8, 8], pixels)]]),
    );
    for (const { layer: id, value, count } of layers) {
      const sorted = (values.get(id)!.data as Float32Array).slice().sort();
      expect(count).toBe(512);
      expect(Math.abs(value / sorted[384]! - 1)).toBeLessThan(1e-5);
    }
  });

  it("names its files like the kit, and watches the blob of the convolution", async () => {
    write(trainText(levels), trainWeights(31));
    const made = await report("inlay.calibrate-quant-relu/1", ...calibrate, "--like-mdk");
    expect(made.batches).toBe(10);
    expect(existsSync(join(folder, "QuantRelu", "net_QuantReLU.prototxt"))).toBe(true);
    // conv2 is followed by the sum: its blob was last written by its Scale, and no cap is shared.
    expect(made.layers.map(({ watched }) => watched)).toEqual(["relu0", "relu1", "scale2"]);
    expect(made.layers.every(({ value, cap }) => value === cap)).toBe(true);
    expect(made.warnings.map(({ id }) => id)).toEqual(["few-pictures"]);
  });

  it("writes over nothing without --force", async () => {
    write(trainText(levels), trainWeights(31));
    await inlay(...calibrate);
    const again = await inlay(...calibrate);
    expect([again.code, again.out]).toEqual([2, ""]);
    expect(again.err).toMatch(/net_quantRelu\.prototxt: the file exists already\. Add --force/);
    expect((await inlay(...calibrate, "--force")).code).toBe(0);
  });

  it("says in text what it did", async () => {
    write(trainText(levels), trainWeights(31));
    const { code, out, err } = await inlay(...calibrate);
    expect(code).toBe(0);
    expect(out).toMatch(/40 images in 20 batches of \S+db, percentile 0\.999/);
    expect(out).toMatch(/layer +watched +values +value +cap\nrelu0 +relu0 /);
    expect(out).toContain("is shared: a shortcut joins the layers");
    expect(err).toMatch(/^warning: .*Data "data": only 5 of 40 pictures are there/);
  });
});

describe("refine-network", () => {
  const calibrated = [
    "--prototxt=QuantRelu/net_quantRelu.prototxt",
    "--caffemodel=QuantRelu/net_quantRelu.caffemodel",
  ];

  it.each([
    ["levels", levels],
    ["numbers with a mean", numbers],
  ])("keeps the function of a network on %s", async (_name, data) => {
    // Where a mean is merged padding would make the border another.
    const isNumbers = data === numbers;
    const [pad, size] = isNumbers ? [0, 1] : [1, 31];
    write(trainText({ ...data, pad }), trainWeights(size, [6, 6, 6], pad));
    await inlay(...calibrate);
    const made = await report("inlay.refine-network/1", "refine-network", ...calibrated);
    expect(made.steps.map(({ done }) => done)).toEqual([true, isNumbers, true]);
    for (const { error, done } of made.steps) {
      if (done) expect(error).toBeLessThan(1e-5);
    }
    expect(made).toMatchObject({
      ...{ inputScale: isNumbers ? 1 / 16 : 1, actBits: 5, lastLayer10bit: false },
      imageMeans: isNumbers ? [13, 14.625, 15.375] : [],
      removedLayers: ["bn0", "scale0", "bn1", "scale1", "bn2", "scale2"],
      addedLayers: ["fc_unit"],
      scaleFactor: made.layers[2]!.alpha / 31,
    });
    const net = read(
      "Refined/net_quantRelu_refined.prototxt",
      "Refined/net_quantRelu_refined.caffemodel",
    );
    for (const { convolution, activation, maxWeight } of made.layers) {
      const conv = layerOf(net, convolution);
      expect(conv.quant_convolution_param).toMatchObject({ shift_enable: true, bw_params: 8 });
      expect(conv.convolution_param).toMatchObject({ bias_term: true });
      const [weight, bias] = blobsOf(net, conv)!;
      expect(weight!.data.reduce((max, w) => Math.max(max, Math.abs(w)), 0)).toBe(maxWeight);
      expect(bias!.shape).toEqual([4]);
      expect(layerOf(net, activation).quant_relu_param?.filler).toMatchObject({ value: 31 });
      expect(blobsOf(net, layerOf(net, activation))![0]!.data).toEqual(Float32Array.of(31));
    }
    expect(net.net.layer.map(({ type }) => type)).toEqual([
      ...["Data", "Data", "QuantConvolution", "QuantReLU", "QuantConvolution", "QuantReLU"],
      ...["QuantConvolution", "Eltwise", "QuantReLU", "Pooling", "Scale", "InnerProduct"],
      ...["SoftmaxWithLoss", "Accuracy"],
    ]);
    for (const { transform_param } of net.net.layer.filter(({ type }) => type === "Data")) {
      expect(transform_param).toMatchObject({ quant_enable: true, mirror: true, mean_value: [] });
      expect(transform_param).not.toHaveProperty("scale");
    }
    await expectSameFunction(net, isNumbers);
    const log = readFileSync(join(folder, "RefineNet.log"), "utf8");
    expect(log).toMatch(
      /\nlayer +alpha +gainW +gainB +max W +max B\nconv0 .*\nconv1 .*\nconv2 .*\nscale factor \d/,
    );
  });

  /** The written network, on levels that are not rounded, against the first one: the softmax too. */
  async function expectSameFunction(refined: TrainNet, isNumbers: boolean): Promise<void> {
    const first = read("nets/net.prototxt", "nets/net.caffemodel");
    const opened = await openDataLayer(first.net, {
      ...{ phase: "TEST", prototxt: join(folder, "nets", "net.prototxt"), folder },
      onWarning: () => {},
    } as const);
    const { preprocess, layer, dataset } = opened;
    const plain = { ...preprocess, mean: [0] };
    // Without its own rounding to levels, the data layer gives grey levels.
    const bare = { ...layer, transform_param: undefined };
    const shape = [1, 3, 8, 8];
    const before = {
      graph: graphOf(first, isNumbers ? bare : layer, shape),
      preprocess: isNumbers ? preprocess : plain,
    };
    const data = {
      ...refined,
      net: { ...refined.net, layer: refined.net.layer.filter(({ type }) => type !== "Data") },
    };
    const after = {
      graph: graphOf(data, isNumbers ? bare : layer, shape),
      preprocess: isNumbers ? { ...plain, scale: 1 / 8 } : plain,
    };
    const watched = [{ id: "loss", factor: 1, border: 0 }];
    const { error, id } = await largestDifference(
      before,
      after,
      watched,
      dataset,
      await nodeRuntime({ threads: 1 }),
    );
    expect(id).toBe("loss");
    expect(error).toBeLessThan(1e-5);
  }

  it("merges a mean where padding makes the border another: the inside is compared", async () => {
    write(trainText(numbers), trainWeights(1));
    const { steps } = await report("inlay.refine-network/1", ...refine);
    expect(steps[1]).toMatchObject({ name: "merge-input-mean", done: true, layer: "conv0" });
    expect(steps[1]!.error).toBeLessThan(1e-5);
  });

  it("gives 10 bits to all activations, or to the last", async () => {
    write(trainText({ ...levels, isChain: true }), trainWeights(31));
    const all = await report("inlay.refine-network/1", ...refine, "--act-bits=10");
    expect(all.layers.map(({ chipCap }) => chipCap)).toEqual([1023, 1023, 1023]);
    expect(all.scaleFactor).toBeCloseTo(6 / 1023, 12);
    const last = await report(
      "inlay.refine-network/1",
      ...refine,
      "--last_layer_10bit=1",
      "--force",
    );
    expect(last.layers.map(({ chipCap }) => chipCap)).toEqual([31, 31, 31.96875]);
    expect(last.layers[2]!.gainBias).toBe(31.96875 / 6);
    const net = read("Refined/net_refined.prototxt", "Refined/net_refined.caffemodel");
    const bits = net.net.layer.flatMap(({ quant_relu_param: param }) => param?.act_bits ?? []);
    expect(bits).toEqual([5, 5, 10]);
    const kit = await report(
      "inlay.refine-network/1",
      ...[...refine, "--last-layer-10bit", "--force", "--like-mdk"],
    );
    expect(kit.layers.map(({ chipCap }) => chipCap)).toEqual([31, 31, 31.96875]);
    expect(kit.layers[2]!.gainBias).toBe(31 / 6);
    expect(kit.addedLayers).toEqual([]);
    // Of another epsilon than the layers' the function changes; the kit does not look.
    expect(kit.warnings.map(({ id }) => id)).toEqual(["function-changed", "host-units"]);
    expect(kit.warnings[1]!.where).toBe('InnerProduct "fc"');
  });

  it("counts from 31 in a last layer of 10 bits that ends a shortcut", async () => {
    write(trainText(levels), trainWeights(31));
    const { layers } = await report("inlay.refine-network/1", ...refine, "--last-layer-10bit");
    expect(layers[2]).toMatchObject({ gainBias: 31 / 6, chipCap: 31.96875 });
  });

  it("refuses a step that changes the function, with the figure", async () => {
    write(trainText(numbers), trainWeights(1));
    const { code, err } = await inlay(
      ...refine,
      "--input-scale=1/128",
      "--image-means=104,117,123",
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /layer "(relu\d|fc|loss)": step edit-gain would change what the network computes: expected a difference of at most 0\.0001 of the layer's largest value, got \d.*8 times the data layer's scale/,
    );
    expect(existsSync(join(folder, "Refined"))).toBe(false);
    const means = await inlay(...refine, "--image-means=104,117,123");
    expect(means.err).toContain('layer "conv0": step merge-input-mean would change');
    expect((await inlay(...refine, "--image-means=1,2")).err).toContain("expected 1 or 3, got 2");
  });

  it("names the shortcut whose caps differ", async () => {
    write(trainText(levels), trainWeights(31, [6, 5, 4]));
    const { code, err } = await inlay(...refine);
    expect(code).toBe(2);
    expect(err).toContain("caps that a shortcut or a concatenation joins must be equal");
    expect(err).toContain("got relu0 (cap 6) and relu2 (cap 4)");
    const kit = await report("inlay.refine-network/1", ...refine, "--like-mdk");
    expect(kit.warnings.map(({ id }) => id)).toContain("shortcut-caps");
  });
});

describe("bad input ends with 2 and one clear error", () => {
  const withoutData = trainText().replaceAll(
    /\nlayer \{ name: "data"[^\n]*\n[^\n]*\n[^\n]*\}/g,
    "",
  );
  const cases: readonly (readonly [string, readonly string[], string, RegExp])[] = [
    [
      "no data layer",
      calibrate,
      withoutData,
      /net\.prototxt: the network has no data layer that can be read/,
    ],
    [
      "a lost database",
      calibrate,
      trainText({ source: "lost" }),
      /Data "data": the source of the pictures does not exist: got lost\. Looked for in \S+ and in \S+nets/,
    ],
    [
      "no LMDB",
      calibrate,
      trainText({ source: "nets" }),
      /Data "data": the source is not an LMDB: expected a folder with data\.mdb/,
    ],
    [
      "a crop that is too large",
      refine,
      trainText({ transform: "crop_size: 9" }),
      /smaller than the crop/,
    ],
    [
      "counts that differ",
      refine,
      trainText(levels).replace(
        'type: "QuantReLU" bottom: "conv1"',
        'type: "ReLU" bottom: "conv1"',
      ),
      /as many QuantReLU as QuantConvolution.*got 3 QuantConvolution, 2 QuantReLU\. No QuantReLU follows conv1/,
    ],
    [
      "no QuantReLU",
      calibrate,
      trainText(levels).replaceAll('"QuantReLU"', '"ReLU"'),
      /the network has no QuantReLU/,
    ],
    ["no layers", calibrate, "base_lr: 0.1", /./],
    [
      "bits of no chip",
      [...refine, "--act-bits=8"],
      trainText(levels),
      /activations have 5 or 10 bits/,
    ],
    [
      "a percentile of 2",
      [...calibrate, "--percentile=2"],
      trainText(levels),
      /--percentile must be a share above 0/,
    ],
    [
      "a missing file",
      ["refine-network", "--prototxt=nets/net.prototxt"],
      trainText(),
      /--caffemodel <file> is missing/,
    ],
    [
      "an unknown flag",
      [...refine, "--input-scales=1"],
      trainText(),
      /unknown option '--input-scales=1'/,
    ],
  ];
  it.each(cases)("%s", async (_name, argv, text, message) => {
    write(text, trainWeights(31));
    const { code, out, err } = await inlay(...argv);
    expect([code, out]).toEqual([2, ""]);
    expect(err.replaceAll("\n", " ")).toMatch(message);
    expect(existsSync(join(folder, "QuantRelu")) || existsSync(join(folder, "Refined"))).toBe(
      false,
    );
  });

  it("a cap of 0, a dead activation", async () => {
    write(trainText(levels), trainWeights(31, [6, 0, 6]));
    const { err } = await inlay(...refine);
    expect(err).toMatch(
      /QuantReLU "relu1": the cap of an activation must be above 0: got 0\. Calibrate/,
    );
    const low = await inlay(...calibrate, "--percentile=0.0001");
    expect(low.code).toBe(2);
    expect(low.err).toMatch(
      /QuantReLU "relu0": the cap would not be above 0: got 0 at the percentile/,
    );
  });
});
