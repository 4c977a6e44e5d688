/**
 * Published figures of the GTI chips against the example networks: the vendor's templates as network JSON, filter lines,
 * register words, and what a full model says of the chip. Sums of memories are held in gti-limits.test.ts and check.test.ts.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { filterLines } from "../src/chips/gti/files/log.ts";
import { registerWords } from "../src/chips/gti/files/registers.ts";
import { type FullModelLayer, fullModelOf } from "../src/chips/gti/full-model-json.ts";
import type { Layout } from "../src/chips/gti/layout.ts";
import { memoryTable } from "../src/chips/gti/memory.ts";
import { networkText } from "../src/chips/gti/network-json.ts";
import { networkOf } from "../src/chips/gti/network-layout.ts";
import * as networks from "../src/chips/gti/reference-layouts.ts";
import { gti2801, gti2803, gti5801, targetOfChipType } from "../src/chips/gti/targets.ts";
import { updateFullModel } from "../src/chips/gti/update-full-model.ts";
import { layeredTargetNamed } from "../src/chips/registry.ts";
import { readCaffe } from "../src/formats/caffe/read.ts";
import { declaredOptions } from "../src/job/chip/declared-options.ts";
import { chooseMapping } from "../src/job/chip-choices.ts";
import { canonicalize } from "../src/passes/pipeline.ts";
import type { CoefficientBits } from "../src/target/layered-target.ts";
import { check, example, rulesOf, useFolder, warningsOf, write } from "./check-job.ts";
import { bare } from "./gti-map-text.ts";

useFolder();

const targetOf = (name: string) => layeredTargetNamed(`gti${name.slice(-4)}`);

/** What a conversion of the example lays on the chip, with the widths that its layers declare. */
function layoutOfExample(name: string): Layout {
  const [path] = example(name);
  const graph = canonicalize(readCaffe({ prototxt: { name, bytes: readFileSync(path) } }));
  const target = targetOf(name);
  const asked = declaredOptions(graph, target, { waive: [] });
  const { mapping } = chooseMapping(graph, target, asked, undefined, () => {});
  if (mapping.layout === undefined) throw new Error(`${name} has no layout`);
  return mapping.layout;
}

/** The layout with some fields of one major layer (from 0) changed. */
function changed(layout: Layout, at: number, fields: Partial<Layout["majors"][number]>): Layout {
  const majors = layout.majors.map((one, index) => (index === at ? { ...one, ...fields } : one));
  return { ...layout, majors };
}

/** Ten convolutions less one: the last is alone, not pooled, and gives 10 bits. */
function vggLikeTen(bits: CoefficientBits): Layout {
  const rest = networks.vggLike(bits).majors.slice(0, 4);
  const last = networks.layoutOf([[14, 256, 256, 1, bits, { tenBits: true }]], 1);
  return { ...last, majors: [...rest, ...last.majors] };
}

const zeros = {
  ...networks.deconvolutions,
  majors: networks.deconvolutions.majors.map((major) => ({
    ...major,
    pooling: major.pooling && ("sample" as const),
    upsampling: major.upsampling && ("zeros" as const),
  })),
};

/** The template; mode and `output scaledown` of the chip; its outputs: shape, tile, bytes, what decodes them. */
type Figures = readonly [name: string, layout: Layout, mode: string, outputs: readonly string[]];

// Bytes by hand: 128 for a tile of 14 x 14 and a channel, a quarter for 7 x 7; twice that for fully connected layers.
const dense = ["7,7,512 49 32768 fc77_decode byte, 3"];
const tiles = (shape: string, tile: number, bytes: number, up = ""): readonly string[] => [
  `${shape} ${tile} ${bytes} interlace_tile_decode byte, 0${up}`,
];
const tens = ["14,14,256 196 32768 interlace_tile_10bits_decode float, 0"];
const ssd = changed(networks.vgg16(3, 1), 3, { lastLayerOut: true });

const figures: readonly Figures[] = [
  ["vgg16-2801", networks.vgg16(3, 1), "0, 3", dense],
  ["vgg16-2803", networks.vgg16(2, 2), "0, 3", dense],
  ["vgg16-5801", networks.vgg16(3, 1), "0, 3", dense],
  ["vgg-like-2803", networks.vggLike(12), "0, 3", ["7,7,256 49 16384 fc77_decode byte, 3"]],
  ["vgg-like-5801", networks.vggLike(8), "0, 3", ["7,7,256 49 16384 fc77_decode byte, 3"]],
  ["vgg-like-10bit-2803", vggLikeTen(12), "2, 0 float", tens],
  ["vgg-like-10bit-5801", vggLikeTen(8), "2, 0 float", tens],
  ["mobilenet-224-2803", networks.mobilenet224(12), "5, 0", tiles("7,7,1024", 49, 32_768)],
  ["mobilenet-224-5801", networks.mobilenet224(8), "5, 0", tiles("7,7,1024", 49, 32_768)],
  [
    "mobilenet-448-2803",
    networks.mobilenet448(12, [16, 32]),
    "2, 0",
    tiles("14,14,1024", 196, 131_072),
  ],
  [
    "mobilenet-448-5801",
    networks.mobilenet448(8, [32, 64]),
    "2, 0",
    tiles("14,14,1024", 196, 131_072),
  ],
  ["resnet18-2803", networks.resnet18(2), "5, 0", tiles("7,7,512", 49, 16_384)],
  ["resnet18-5801", networks.resnet18(1), "5, 0", tiles("7,7,512", 49, 16_384)],
  // Three planes become sixteen behind an upsampling: 32 x 32 tiles.
  [
    "upsample-repeat-5801",
    networks.deconvolutions,
    "2, 0",
    tiles("448,448,16", 196, 2_097_152, " up"),
  ],
  ["upsample-zeros-5801", zeros, "2, 0", tiles("448,448,16", 196, 2_097_152, " up")],
  ["detector-448-5801", networks.gnetDetection, "2, 0", tiles("14,14,256", 196, 32_768)],
  ["vgg16-ssd-5801", ssd, "3, 0", [...tiles("28,28,512", 196, 262_144), ...dense]],
];

/** An output of the chip in a full model. */
type Entry = {
  readonly format: string;
  readonly postfilter: string;
  readonly shape: readonly number[];
  readonly "layer scaledown": number;
  readonly upsampling: number;
};

function outputText(entry: Entry): string {
  const { shape, format, postfilter, upsampling } = entry;
  const size = `${shape.slice(0, 3)} ${shape[3]} ${shape[4]}`;
  const up = upsampling === 1 ? " up" : "";
  return `${size} ${postfilter} ${format}, ${entry["layer scaledown"]}${up}`;
}

const outputsOf = (chip: FullModelLayer | undefined): readonly Entry[] =>
  (chip?.["outputs"] ?? []) as unknown as readonly Entry[];

/** Bits `from..to` of a word. */
const bits = (word: number, from: number, to: number): number =>
  Math.floor(word / 2 ** from) % 2 ** (to - from + 1);

describe.each(figures)("%s", (name, template, mode, outputs) => {
  const target = targetOf(name);
  const layout = layoutOfExample(name);

  it("lies on the chip as the template says, and a network JSON of it agrees", async () => {
    expect(bare(layout)).toEqual(template);
    const network = write(`${name}.json`, networkText(networkOf(template, target)));
    const report = await check(example(name), `gti${name.slice(-4)}`, { network });
    expect(report.network?.differences).toEqual([]);
    expect(report.options.bitsFrom).toBe("network JSON");
    expect(warningsOf(report)).toEqual([]);
    const known = name.startsWith("detector") ? ["weight-memory the chip: 489600 slots"] : [];
    expect(rulesOf(report)).toEqual(known);
  });

  it("has a full model with the chip's mode, and shapes and bytes of what comes out", () => {
    const made = fullModelOf([layout], target, { name, host: [] });
    const network = networkOf(layout, target);
    const [reader, chip] = updateFullModel(made, [network], { evaluate: "none" }).layers;
    const type = chip?.["type"] === undefined ? "" : ` ${chip["type"]}`;
    expect(`${chip?.["mode"]}, ${chip?.["output scaledown"]}${type}`).toBe(mode);
    expect(outputsOf(chip).map(outputText)).toEqual(outputs);
    const size = layout.majors[0]?.imageSize;
    expect(chip?.["inputs"]).toEqual([
      { format: "byte", prefilter: "interlace_tile_encode", shape: [size, size, 3] },
    ]);
    expect(reader).toMatchObject({ "output channels": 3, "output width": size });
  });

  it("fills the register words field by field, whatever the shifts", () => {
    for (const major of layout.majors) {
      const shifts = major.sublayers.map((_, at) => (7 * at + 8) % 16);
      const { words, unknown } = registerWords(major, shifts, undefined);
      const [w0, w1, w2] = words;
      expect([
        bits(w0, 0, 9),
        4 * bits(w0, 10, 20),
        4 * bits(w0, 21, 29),
        bits(w0, 30, 31),
      ]).toEqual([
        ...[major.imageSize, Math.ceil(major.inputChannels / 4) * 4],
        ...[Math.ceil(major.outputChannels / 4) * 4, Number(major.pooling !== undefined)],
      ]);
      const kind = major.coefficientBits === 3 ? 1 : major.coefficientBits === 1 ? 3 : 0;
      expect([bits(w1, 4, 7), bits(w1, 8, 29), bits(w1, 30, 31)]).toEqual([shifts.length, 0, kind]);
      const nibbles = Array.from({ length: 8 }, (_, at) => bits(w2, 4 * at, 4 * at + 3));
      const told = [bits(w1, 0, 3), ...nibbles].slice(0, shifts.length);
      expect(told).toEqual(shifts.slice(0, 9));
      expect(unknown.some((text) => text.includes("sublayers beyond 9"))).toBe(shifts.length > 9);
    }
  });
});

describe("the converter's log of VGG16 on the 5801", () => {
  const layout = networks.vgg16(3, 1);

  it("has filter lines that make up the weight memory, four streams together", () => {
    const lines = filterLines(5801, layout);
    expect(lines).toEqual([544, 3616, 24_096, 65_056, 114_208]);
    const { rows, slots } = memoryTable(layout, gti5801);
    expect(4 * (lines.at(-1) ?? 0)).toBe(slots);
    const perMajor = lines.map((_, at) => rows.findLast(({ major }) => major === at + 1));
    expect(perMajor.map((row) => row?.cumulative)).toEqual(lines.map((line) => 4 * (line ?? 0)));
    const small = filterLines(5801, networks.resnet18(1)).at(-1);
    expect(4 * (small ?? 0)).toBe(memoryTable(networks.resnet18(1), gti5801).slots);
  });

  it("has these words for its shifts", () => {
    const shifts = [
      [8, 9],
      [9, 10],
      [9, 10, 10],
      [10, 10, 10],
      [10, 9, 9],
    ];
    const words = layout.majors.map((major, at) => {
      const found = registerWords(major, shifts[at] ?? [], { input: 0, output: 256 });
      return found.words.map((word) => word.toString(16).padStart(8, "0")).join(" ");
    });
    // 0x420004e0: 224, 1 << 10, 16 << 21, pooled. 0x48000028: shift 8, two sublayers, output 1 << 27, three bits.
    expect(words).toEqual([
      "420004e0 48000028 00000009",
      "44004070 48000029 0000000a",
      "48008038 48000039 000000aa",
      "5001001c c800003a 000000aa",
      "5002000e c800003a 00000099",
    ]);
  });
});

describe("ResNet50", () => {
  it("takes what the manual's table gives for the first of four chips", () => {
    // The table has full precision in the first four major layers, half in the fifth.
    const rows = networks.resnet50(12).majors.slice(0, 5);
    const table = { ...networks.resnet50(12), majors: rows };
    const mixed = changed(table, 4, { coefficientBits: 5 });
    const { rows: sublayers, slots } = memoryTable(mixed, gti2803);
    expect(sublayers[0]?.slots).toBe(16 * 64);
    expect(slots).toBe(275_456);
  });

  it("has the template's ten major layers, whatever the chips are", async () => {
    // One kind of pooling everywhere, and no shortcut where the width changes and nothing is pooled.
    const sampled = changed(networks.resnet50(2), 4, { shortcutStarts: [] });
    const pooled = changed(sampled, 7, { pooling: "max" });
    for (const chips of [2, 4]) {
      const json = networkOf(pooled, gti2803, { ChipNumber: chips });
      const network = write(`resnet50-${chips}.json`, networkText(json));
      const report = await check(example("resnet50-2803"), "gti2803", { network });
      expect([report.verdict, report.network?.differences]).toEqual(["fits", []]);
      expect(report.majorLayers).toHaveLength(10);
      expect(report.cascade).toHaveLength(chips);
      expect(report.memory?.slots).toBe(654_592);
    }
  });
});

describe("the vendor's figures of files", () => {
  it("MobileNet's network JSON has these keys", () => {
    const text = networkText(networkOf(layoutOfExample("mobilenet-224-2803"), gti2803));
    const { model, layer } = JSON.parse(text) as {
      readonly model: readonly object[];
      readonly layer: readonly Record<string, unknown>[];
    };
    expect(model).toEqual([{ ChipType: 2803, SamplingMethod: 1 }]);
    expect(layer.map((one) => [one["depth_enable"] ?? false, one["one_coef"] ?? [0]])).toEqual([
      [false, [0]],
      [true, [0, 1, 0]],
      [true, [1, 0, 1, 0]],
      [true, [1, 0, 1, 0]],
      [true, [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]],
      [true, [1, 0, 1]],
    ]);
    expect(layer[4]).toEqual({
      image_size: 14,
      input_channels: 256,
      output_channels: 512,
      sublayer_number: 12,
      coef_bits: 12,
      pooling: true,
      depth_enable: true,
      one_coef: [1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0],
    });
  });

  it("GNetFC gives 14 x 14 x 256 in mode 2", () => {
    const made = fullModelOf([networks.gnetFc], gti2801, { name: "gnetfc", host: [] });
    expect(made.layers[1]).toMatchObject({ mode: 2, "output channels": 256, "output width": 14 });
    const network = networkOf(networks.gnetFc, gti2801);
    const [, chip] = updateFullModel(made, [network], { evaluate: "none" }).layers;
    const outputs = outputsOf(chip).map(outputText);
    expect(outputs).toEqual(tiles("14,14,256", 196, 32_768));
  });

  it("learning gives every sublayer before its pooling, the smaller inputs of MobileNet first", () => {
    const target = targetOfChipType(5801) ?? gti5801;
    const learning = (layout: Layout): Layout => ({
      ...layout,
      majors: layout.majors.map((major) => ({ ...major, learning: true })),
    });
    const entries = (layout: Layout): readonly (readonly number[])[] => {
      const all = learning(layout);
      const made = fullModelOf([all], target, { name: "n", host: [] });
      expect(made.layers[1]?.["mode"]).toBe(1);
      const [, chip] = updateFullModel(made, [networkOf(all, target)], { evaluate: "none" }).layers;
      return outputsOf(chip).map(({ shape }) => shape);
    };
    expect(
      entries(networks.vgg16(3, 1)).map(([size, , channels]) => `${size}x${channels}`),
    ).toEqual([
      ...["224x64", "224x64", "112x128", "112x128", "56x256", "56x256", "56x256"],
      ...["28x512", "28x512", "28x512", "14x512", "14x512", "14x512"],
    ]);
    const mobile = entries(networks.mobilenet224(8)).map(([size, , channels]) => [size, channels]);
    expect(mobile).toHaveLength(27);
    expect(mobile.slice(0, 5)).toEqual([
      ...[224, 112, 112, 112].map((size, at) => [size, at < 2 ? 32 : 64]),
      [56, 128],
    ]);
    // ResNet18: one more where a pooling follows the shortcut that ends a major layer.
    expect(entries(networks.resnet18(1))).toHaveLength(20 + 3);
  });
});
