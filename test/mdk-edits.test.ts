/**
 * Edits of training networks that the small commands' network does not have: batch norms that are not in place,
 * concatenations, shared parameters; and the percentile of a network that runs twice.
 */
import { describe, expect, it } from "vitest";
import { defaultPreprocess } from "../src/data/preprocess.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import { writeCaffemodel } from "../src/formats/caffe/files.ts";
import { editGains } from "../src/job/mdk/edit-gains.ts";
import { type Difference, largestDifference } from "../src/job/mdk/float-function.ts";
import { hostUnits, withHostUnits } from "../src/job/mdk/host-units.ts";
import { measurePercentiles } from "../src/job/mdk/measure-caps.ts";
import { mergeBatchNorms } from "../src/job/mdk/merge-batch-norms.ts";
import { mergeInputMeans } from "../src/job/mdk/merge-input-means.ts";
import { shortcutGroups, structureOf } from "../src/job/mdk/structure.ts";
import {
  blobsOf,
  graphOf,
  readTrainNet,
  type TrainNet,
  testLayers,
} from "../src/job/mdk/train-net.ts";
import type { Warning } from "../src/notice.ts";
import { createRandom } from "../src/tensor/random.ts";

const random = createRandom(11);
const warnings: Warning[] = [];
const onWarning = (warning: Warning): void => void warnings.push(warning);
const shape = [1, 3, 6, 6];

type Blobs = Readonly<Record<string, readonly (readonly number[])[]>>;

/** A network of this text behind a data layer; blobs are random numbers around 1 of these shapes. */
function network(
  text: string,
  blobs: Blobs,
  caps: Readonly<Record<string, number>> = {},
): TrainNet {
  const data = 'layer { name: "data" type: "Data" top: "data" }';
  const trained = Object.entries(blobs).map(([name, shapes]) => ({
    // Caffe finds weights by name; the type may be that of an earlier training.
    ...{ name, type: "Convolution" },
    blobs: shapes.map((dim) => ({
      shape: { dim },
      data: Float32Array.from(
        { length: dim.reduce((a, b) => a * b, 1) },
        () => 0.5 + random.unit(),
      ),
    })),
  }));
  const relus = Object.entries(caps).map(([name, cap]) => ({
    ...{ name, type: "QuantReLU", blobs: [{ shape: { dim: [] }, data: Float32Array.of(cap) }] },
  }));
  return readTrainNet(
    { name: "net.prototxt", bytes: new TextEncoder().encode(data + text) },
    { name: "net.caffemodel", bytes: writeCaffemodel({ layer: [...trained, ...relus] }) },
    onWarning,
  );
}

const conv = (name: string, bottom: string, outputs: number, more = ""): string => `
layer { name: "${name}" type: "QuantConvolution" bottom: "${bottom}" top: "${name}" ${more}
  convolution_param { num_output: ${outputs} kernel_size: 1 bias_term: false } }`;
const relu = (name: string, blob: string): string =>
  `\nlayer { name: "${name}" type: "QuantReLU" bottom: "${blob}" top: "${blob}" }`;
const gains: Parameters<typeof editGains>[1] = {
  ...{ inputScale: 1, lastLayer10bit: false, likeMdk: false, onWarning },
  actBits: 5,
};

const pictures = {
  source: "made here",
  samples: Array.from({ length: 7 }, (_, at) => ({
    ...{ name: `${at}`, label: 0 },
    load: async () => {
      const bytes = Uint8Array.from({ length: 108 }, (__, index) => (index * 37 + at * 11) % 256);
      return { width: 6, height: 6, channels: 3, data: bytes } as const;
    },
  })),
};

/** How far `after` is from `before` in the values of these layers, `after` times their factors. */
async function difference(
  [before, after]: readonly [TrainNet, TrainNet],
  layers: Readonly<Record<string, number>>,
): Promise<Difference> {
  const watched = Object.entries(layers).map(([id, factor]) => ({ id, factor, border: 0 }));
  const view = (net: TrainNet) => ({
    graph: graphOf(net, net.net.layer[0]!, shape),
    preprocess: defaultPreprocess,
  });
  const runtime = await nodeRuntime({ threads: 1 });
  return await largestDifference(view(before), view(after), watched, pictures, runtime);
}

describe("batch norms", () => {
  const norm = (name: string, bottom: string, top: string): string =>
    `\nlayer { name: "${name}" type: "BatchNorm" bottom: "${bottom}" top: "${top}" batch_norm_param { eps: 0.01 } }`;
  const scale = (name: string, bottom: string, top: string): string =>
    `\nlayer { name: "${name}" type: "Scale" bottom: "${bottom}" top: "${top}" scale_param { bias_term: true } }`;
  const statistics = [[4], [4], [1]];

  it("that are not in place stay, and do nothing any more", async () => {
    const text =
      conv("conv1", "data", 4) +
      norm("bn1", "conv1", "bn1") +
      scale("scale1", "bn1", "s") +
      relu("relu1", "s");
    const before = network(text, {
      conv1: [[4, 3, 1, 1]],
      bn1: statistics,
      scale1: [[4], [4]],
      relu1: [[]],
    });
    warnings.length = 0;
    const { trainNet, removed } = mergeBatchNorms(before, { likeMdk: false, onWarning });
    expect(removed).toEqual([]);
    expect(warnings.map(({ where }) => where)).toEqual(['BatchNorm "bn1"', 'Scale "scale1"']);
    expect(trainNet.net.layer).toHaveLength(before.net.layer.length);
    expect((await difference([before, trainNet], { relu1: 1 })).error).toBeLessThan(1e-5);
    expect(blobsOf(trainNet, trainNet.net.layer[3]!)!.map(({ data }) => [...data])).toEqual([
      [1, 1, 1, 1],
      [0, 0, 0, 0],
    ]);
  });

  it("behind a host layer are merged too, and those behind a pooling are left", async () => {
    const text = `${conv("conv1", "data", 4)}${relu("relu1", "conv1")}
      layer { name: "pool" type: "Pooling" bottom: "conv1" top: "pool" pooling_param { kernel_size: 2 } }
      ${norm("bn1", "pool", "pool")}
      layer { name: "fc1" type: "InnerProduct" bottom: "pool" top: "fc1" inner_product_param { num_output: 4 bias_term: false } }
      ${norm("bn2", "fc1", "fc1")}`;
    const before = network(text, {
      ...{ conv1: [[4, 3, 1, 1]], relu1: [[]], bn1: statistics, bn2: statistics },
      fc1: [[4, 100]],
    });
    const { trainNet, removed } = mergeBatchNorms(before, { likeMdk: false, onWarning });
    expect(removed).toEqual(["bn2"]);
    const fc = trainNet.net.layer.find(({ name }) => name === "fc1")!;
    expect(fc.inner_product_param).toMatchObject({ bias_term: true });
    const values = blobsOf(trainNet, fc)!.map(({ data }) => data.length);
    expect(values).toEqual([400, 4]);
    const kit = mergeBatchNorms(before, { likeMdk: true, onWarning }).trainNet;
    expect(blobsOf(kit, fc)![0]!.data).not.toEqual(blobsOf(trainNet, fc)![0]!.data);
  });

  it("without their blobs are refused by name", () => {
    const text = conv("conv1", "data", 4) + norm("bn1", "conv1", "conv1");
    const bare = network(text, { conv1: [[4, 3, 1, 1]], bn1: [[4]] });
    expect(() => mergeBatchNorms(bare, { likeMdk: false, onWarning })).toThrow(
      'net.caffemodel: BatchNorm "bn1": the layer has another number of blobs in the caffemodel: expected 3, got 1',
    );
  });
});

describe("gains", () => {
  const branches =
    conv("conv1", "data", 2) +
    relu("relu1", "conv1") +
    conv("conv2", "conv1", 3) +
    relu("relu2", "conv2");
  const joined = `${branches}
    layer { name: "cat" type: "Concat" bottom: "conv1" bottom: "conv2" top: "cat" }
    ${conv("conv3", "cat", 2)}${relu("relu3", "conv3")}
    layer { name: "fc1" type: "InnerProduct" bottom: "cat" top: "fc1" inner_product_param { num_output: 1 bias_term: false } }`;
  const blobs: Blobs = {
    ...{ conv1: [[2, 3, 1, 1]], conv2: [[3, 2, 1, 1]], conv3: [[2, 5, 1, 1]] },
    fc1: [[1, 180]],
  };

  it("follow the graph: a concatenation of equal caps, and a host layer at a branch", async () => {
    const before = network(joined, blobs, { relu1: 5, relu2: 5, relu3: 2 });
    const { trainNet, rows } = editGains(before, gains);
    expect(rows.map(({ gain }) => gain.weight)).toEqual([31 / 5, 1, 5 / 2]);
    const units = hostUnits(trainNet, rows);
    expect(units.map(({ layer, factor }) => [layer.name, factor])).toEqual([["fc1", 5 / 31]]);
    const whole = withHostUnits(trainNet, units);
    expect(whole.net.layer.map(({ name }) => name)).toContain("fc1_unit");
    const factors = { relu1: 5 / 31, relu2: 5 / 31, relu3: 2 / 31, fc1: 1 };
    expect((await difference([before, whole], factors)).error).toBeLessThan(1e-5);
    expect((await difference([before, trainNet], { fc1: 1 })).error).toBeGreaterThan(1);
  });

  it("are refused where a concatenation joins caps that differ", () => {
    const before = network(joined, blobs, { relu1: 5, relu2: 4, relu3: 2 });
    expect(() => editGains(before, gains)).toThrow(/relu1 \(cap 5\) and relu2 \(cap 4\)/);
  });

  it("are refused where convolutions share their weights, or read what has no cap", () => {
    const shared = 'param { name: "w" }';
    const twins =
      conv("conv1", "data", 3, shared) +
      relu("relu1", "conv1") +
      conv("conv2", "conv1", 3, shared) +
      relu("relu2", "conv2");
    const square: Blobs = { conv1: [[3, 3, 1, 1]], conv2: [[3, 3, 1, 1]] };
    const caps = { relu1: 1, relu2: 1 };
    expect(() => editGains(network(twins, square, caps), gains)).toThrow(
      'QuantConvolution "conv2": the convolution shares its parameters with another: got param "w"',
    );
    const host = `${conv("conv1", "data", 3)}${relu("relu1", "conv1")}
      layer { name: "lrn" type: "LRN" bottom: "conv1" top: "lrn" }
      ${conv("conv2", "lrn", 3)}${relu("relu2", "conv2")}`;
    expect(() => editGains(network(host, square, caps), gains)).toThrow(
      'QuantConvolution "conv2": the convolution must read pictures, or values that a QuantReLU caps: got values without a cap',
    );
  });

  it("a cap per channel is refused, unless all are one", () => {
    const text = conv("conv1", "data", 2) + relu("relu1", "conv1");
    const kernel = { conv1: [[2, 3, 1, 1]] };
    expect(() => editGains(network(text, { ...kernel, relu1: [[2]] }), gains)).toThrow(
      /QuantReLU "relu1": the chip has one cap for a layer, the network one per channel/,
    );
  });

  it("the mean goes into every convolution that reads the pictures", () => {
    const text =
      conv("conv1", "data", 2) +
      relu("relu1", "conv1") +
      conv("conv2", "data", 2) +
      relu("relu2", "conv2");
    const net = network(text, { conv1: [[2, 3, 1, 1]], conv2: [[2, 3, 1, 1]] });
    const merged = mergeInputMeans(net, { scale: 2, means: [10], likeMdk: false, onWarning })!;
    for (const layer of merged.net.layer.filter(({ type }) => type === "QuantConvolution")) {
      const [weight, bias] = blobsOf(merged, layer)!;
      const [a, b, c] = weight!.data;
      expect(bias!.data[0]).toBeCloseTo(-20 * (a! + b! + c!), 3);
    }
    expect(
      mergeInputMeans(net, { scale: 2, means: [0], likeMdk: false, onWarning }),
    ).toBeUndefined();
  });
});

describe("the structure", () => {
  it("joins shortcuts that follow one another", () => {
    const block = (at: number, from: string): string => `
      ${conv(`conv${at}`, from, 2)}
      layer { name: "sum${at}" type: "Eltwise" bottom: "${from}" bottom: "conv${at}" top: "sum${at}" }
      ${relu(`relu${at}`, `sum${at}`)}`;
    const text = `${conv("conv0", "data", 2)}${relu("relu0", "conv0")}${block(1, "conv0")}${block(2, "sum1")}
      ${conv("conv3", "sum2", 2)}${relu("relu3", "conv3")}`;
    const structure = structureOf(testLayers(network(text, { conv0: [[1]] })));
    expect(structure.convs.map(({ relu: at }) => at)).toEqual([0, 1, 2, 3]);
    expect(structure.convs.map(({ input }) => input.caps)).toEqual([[], [0], [1], [2]]);
    expect(structure.shortcuts).toEqual([
      { from: 0, to: 1 },
      { from: 1, to: 2 },
    ]);
    expect(shortcutGroups(structure)).toEqual([[0, 1, 2]]);
  });
});

describe("percentiles", () => {
  it("are the same whether values are kept or the network runs again", async () => {
    const net = network(conv("conv1", "data", 4) + relu("relu1", "conv1"), {
      conv1: [[4, 3, 1, 1]],
      relu1: [[]],
    });
    const graph = graphOf(net, net.net.layer[0]!, shape);
    const data = { dataset: pictures, preprocess: { ...defaultPreprocess, mean: [120] } };
    const runtime = await nodeRuntime({ threads: 1 });
    const labels = new Set<string>();
    const measure = (percentile: number, mostKept?: number) =>
      measurePercentiles(graph, ["relu1"], data, runtime, {
        ...{ percentile, mostKept },
        onProgress: ({ label }) => void labels.add(label),
      });
    for (const percentile of [0.1, 0.5, 0.999, 1]) {
      const kept = await measure(percentile);
      expect(await measure(percentile, 100)).toEqual(kept);
      expect(kept.get("relu1")!.count).toBe(7 * 4 * 36);
    }
    expect([...labels]).toEqual(["calibrate", "calibrate, second pass"]);
    const nowhere = { ...data, preprocess: { ...data.preprocess, scale: Number.MAX_VALUE } };
    const failure = measurePercentiles(graph, ["relu1"], nowhere, runtime, { percentile: 0.5 });
    await expect(failure).rejects.toThrow("the values of a layer are not finite numbers");
  });
});
