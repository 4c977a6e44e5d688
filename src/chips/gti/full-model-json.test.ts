/** Full models: made from layouts, read, updated, and split over chips beyond the reference vectors. */
import { describe, expect, it } from "vitest";
import { planCascade } from "./cascade.ts";
import {
  type FullModel,
  fullModelOf,
  fullModelText,
  type HostLayer,
  parseFullModel,
} from "./full-model-json.ts";
import { evaluatedNetwork, type NetworkJson, parseNetworkJson } from "./network-json.ts";
import { networkOf } from "./network-layout.ts";
import { deconvolutions, gnetFc, mobilenet224, resnet50, vgg16 } from "./reference-layouts.ts";
import { splitLines, splitNetwork } from "./split.ts";
import { gti2801, gti2803, gti5801 } from "./targets.ts";
import { updateFullModel } from "./update-full-model.ts";

const host: readonly HostLayer[] = [
  { name: "fc", operation: "FC", channels: 1000, width: 1, height: 1, dataFile: "fc.bin" },
  { name: "softmax", operation: "SOFTMAX", channels: 1000, width: 1, height: 1 },
  { name: "label", operation: "LABEL", channels: 5, width: 1, height: 1, dataFile: "labels.txt" },
];

const none = { evaluate: "none" } as const;

describe("a full model of a layout", () => {
  it("has reader, chip and host", () => {
    const model = fullModelOf([vgg16(3, 1)], gti2801, { name: "vgg", host });
    expect(model.layers.map(({ name, operation }) => [name, operation])).toEqual([
      ["reader", "IMAGEREADER"],
      ["cnn", "GTICNN"],
      ["fc", "FC"],
      ["softmax", "SOFTMAX"],
      ["label", "LABEL"],
    ]);
    expect(model.layers[1]).toEqual({
      name: "cnn",
      operation: "GTICNN",
      "data file": "coef.dat",
      "data offset": 0,
      device: {
        chip: "2801",
        type: 0,
        name: null,
        "emmc delay": 5000,
        "eusb delay": 5000,
      },
      mode: 0,
      "output scaledown": 3,
      "output channels": 512,
      "output width": 7,
      "output height": 7,
    });
    expect(model.layers[2]).toMatchObject({ "data file": "fc.bin", "output channels": 1000 });
  });

  it.each([
    ["GNetFC", gnetFc, gti2801, 2],
    ["MobileNet", mobilenet224(12), gti2803, 5],
    ["deconvolutions", deconvolutions, gti5801, 2],
  ] as const)("of %s has the vendor's mode", (_, layout, target, mode) => {
    const { layers } = fullModelOf([layout], target, { name: "n", host: [] });
    expect(layers[1]?.["mode"]).toBe(mode);
  });

  it("has mode 1 for all sublayers and mode 3 for last ones", () => {
    const modeOf = (fields: { learning?: boolean; lastLayerOut?: boolean }) => {
      const majors = gnetFc.majors.map((major) => ({ ...major, ...fields }));
      const layout = { ...gnetFc, majors };
      return fullModelOf([layout], gti2801, { name: "n", host: [] }).layers[1]?.["mode"];
    };
    expect(modeOf({ learning: true })).toBe(1);
    expect(modeOf({ lastLayerOut: true })).toBe(3);
  });

  it("of a cascade has a device per chip, and updates with each chip's file", () => {
    const chips = planCascade(resnet50(2), gti2803, { chips: 4 }).chips.map(({ layout }) => layout);
    const model = fullModelOf(chips, gti2803, { name: "resnet50", host: [] });
    const cnns = model.layers.slice(1);
    expect(cnns.map((one) => [one.name, one["data file"], one["mode"]])).toEqual([
      ["cnn", "coef_chip1.dat", 2],
      ["cnn1", "coef_chip2.dat", 2],
      ["cnn2", "coef_chip3.dat", 2],
      ["cnn3", "coef_chip4.dat", 5],
    ]);
    expect(cnns.map((one) => [one["output scaledown"], one["output type"]])).toEqual([
      [-3, "byte"],
      [-3, "byte"],
      [-3, "byte"],
      [0, undefined],
    ]);
    expect(cnns[0]).toMatchObject({ "output channels": 256, "output width": 14 });
    const networks = chips.map((chip) => networkOf(chip, gti2803));
    const { layers } = updateFullModel(model, networks, none);
    expect(layers[2]?.["inputs"]).toMatchObject([{ shape: [14, 14, 256] }]);
    expect(layers[1]?.["outputs"]).toMatchObject([{ shape: [14, 14, 256, 196, 32_768] }]);
    expect(layers[4]?.["outputs"]).toMatchObject([{ shape: [7, 7, 512, 49, 16_384] }]);
    expect(networks.map(({ model: keys }) => keys.SamplingMethod)).toEqual([
      undefined,
      undefined,
      undefined,
      1,
    ]);
  });

  it("reads back as it was written", () => {
    const model = fullModelOf([vgg16(3, 1)], gti2801, { name: "vgg", host });
    const again = parseFullModel({ name: "fullmodel.json", text: fullModelText(model) });
    expect(again).toEqual(model);
  });
});

describe("hostile full models", () => {
  it.each([
    ["no object", "[]", /the file: wrong value: expected an object with "layer", got \[\]/],
    ["no layers", '{"layer": []}', /layer: wrong value/],
    [
      "a layer that is none",
      '{"layer": [3]}',
      /layer\[0\]: wrong value: expected an object, got 3/,
    ],
    [
      "no names",
      '{"layer": [{"name": 1}]}',
      /2 wrong values\n {2}layer\[0\]\.name.*\n {2}layer\[0\]\.operation/,
    ],
  ])("%s", (_, text, message) => {
    expect(() => parseFullModel({ name: "f.json", text })).toThrow(message);
  });
});

const layer = {
  image_size: 28,
  input_channels: 16,
  output_channels: 16,
  sublayer_number: 4,
  coef_bits: 2,
};

function network(model: object, ...layers: readonly object[]): NetworkJson {
  const text = JSON.stringify({ model: [{ ChipType: 2803, ...model }], layer: layers });
  return parseNetworkJson({ name: "net.json", text });
}

function fullModel(...operations: readonly string[]): FullModel {
  const layers = operations.map((operation, at) => ({
    name: at === 1 ? "cnn" : `layer${at}`,
    operation,
  }));
  return parseFullModel({ name: "f.json", text: JSON.stringify({ layer: layers, version: 7 }) });
}

function outputsOf(one: NetworkJson) {
  const { layers } = updateFullModel(fullModel("IMAGEREADER", "GTICNN", "FC"), [one], none);
  return layers[1]?.["outputs"] as readonly Record<string, unknown>[];
}

describe("update", () => {
  it("keeps a version that is there, and drops the host's layers for an evaluation", () => {
    const model = fullModel("IMAGEREADER", "GTICNN", "FC");
    const one = network({}, layer);
    for (const evaluate of ["folder", "file"] as const) {
      const updated = updateFullModel(model, [evaluatedNetwork(one, evaluate)], { evaluate });
      expect(updated.layers.map(({ operation }) => operation)).toEqual(["IMAGEREADER", "GTICNN"]);
      expect(updated.keys).toEqual({ version: 7 });
    }
  });

  it("gives one more output where a pooling follows a shortcut that ends the major layer", () => {
    const learning = { ...layer, learning: true, resnet_shortcut_start_layers: [1, 3] };
    expect(outputsOf(network({}, learning))).toHaveLength(4);
    expect(outputsOf(network({}, { ...learning, pooling: true }))).toHaveLength(5);
    const earlier = { ...learning, pooling: true, resnet_shortcut_start_layers: [2] };
    expect(outputsOf(network({}, earlier))).toHaveLength(4);
  });

  it("gives last sublayers before their pooling, beside the last of all", () => {
    const shapes = outputsOf(
      network({}, { ...layer, last_layer_out: true, pooling: true }, { ...layer, image_size: 14 }),
    ).map(({ shape }) => shape);
    expect(shapes).toEqual([
      [28, 28, 16, 196, 8192],
      [14, 14, 16, 196, 2048],
    ]);
  });

  it("decodes 10-bit tiles", () => {
    expect(outputsOf(network({}, { ...layer, ten_bits_enable: true }))).toMatchObject([
      { format: "float", postfilter: "interlace_tile_10bits_decode" },
    ]);
  });

  it("refuses files that do not belong together", () => {
    const one = network({}, layer);
    const named = parseFullModel({
      name: "f.json",
      text: '{"layer": [{"name": "a", "operation": "b"}, {"name": "chip", "operation": "GTICNN"}]}',
    });
    expect(() => updateFullModel(named, [one], none)).toThrow(
      /f\.json: layer\[1\]\.name: the second layer is not the chip: expected "cnn", got "chip"/,
    );
    expect(() =>
      updateFullModel(fullModel("IMAGEREADER", "GTICNN", "FC"), [one, one], none),
    ).toThrow(
      /f\.json: layer\[2\]\.operation: chip 2 has no layer in the full model: expected "GTICNN", got "FC"/,
    );
  });
});

describe("the vendor's split", () => {
  const layers = Array.from({ length: 14 }, () => layer);
  const named = (type: string, chips: number, all: readonly object[] = layers) =>
    network({ ModelType: type, ChipNumber: chips }, ...all);

  it.each([
    ["resnet50", 3, [5, 2, 7], [5, 2, 6]],
    ["resnet110", 5, [7, 2, 2, 2, 1], [6, 2, 2, 2, 1]],
    ["resnet110", 10, [5, 1, 1, 1, 1, 1, 1, 1, 1, 1], [5, 1, 1, 1, 1, 1, 1, 1, 1, 1]],
  ])("of %s over %i chips", (type, chips, before, after) => {
    const one = named(type, chips);
    expect(splitNetwork(one).map((part) => part.layers.length)).toEqual(after);
    const lines = splitLines(one);
    const perMajor = 4 * 16 * 16 * 9;
    expect(lines.filter).toEqual(
      before.map((_, at) => before.slice(0, at).reduce((sum, count) => sum + count * perMajor, 0)),
    );
    expect(lines.bias).toHaveLength(chips);
  });

  it("leaves a single chip alone", () => {
    const one = network({}, layer);
    expect(splitNetwork(one)).toEqual([one]);
    expect(splitLines(one)).toEqual({ filter: [0], bias: [0] });
  });

  it("counts 1x1 and depthwise kernels", () => {
    const mixed = { ...layer, sublayer_number: 2, depth_enable: true, one_coef: [0, 1] };
    const parts = [...Array.from({ length: 7 }, () => mixed), layer];
    expect(splitLines(named("resnet50", 2, parts))).toEqual({
      filter: [0, 7 * (16 * 9 + 16 * 16)],
      bias: [0, 7 * 32],
    });
  });

  it("knows no other models", () => {
    expect(() => splitNetwork(named("constructor", 2))).toThrow(
      /expected ModelType resnet50 or resnet110, got ModelType constructor/,
    );
    expect(() => splitNetwork(network({ ChipNumber: 2 }, layer))).toThrow(/got ModelType absent/);
  });

  it("merges a seventh major layer, or says why it cannot", () => {
    const wide = layers.map((one) => ({ ...one, sublayer_number: 7 }));
    expect(() => splitNetwork(named("resnet50", 2, wide))).toThrow(
      /cannot be merged.*14 sublayers/,
    );
    const pooled = layers.map((one, at) => (at === 5 ? { ...one, pooling: true } : one));
    expect(() => splitNetwork(named("resnet50", 2, pooled))).toThrow(/cannot be merged/);
  });
});
