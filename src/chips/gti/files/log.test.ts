import { describe, expect, it } from "vitest";
import type { CoefficientBits } from "../../../target/layered-target.ts";
import type { Layout, MajorLayer } from "../layout.ts";
import { conversionLogText, drowned, filterLines, type LogLayer, logText } from "./log.ts";
import { registerWords } from "./registers.ts";

/** Image size, input and output channels, bits, and the shift of each sublayer. */
type Row = readonly [number, number, number, CoefficientBits, readonly number[]];

const rows: readonly Row[] = [
  [224, 3, 64, 3, [8, 9]],
  [112, 64, 128, 3, [9, 10]],
  [56, 128, 256, 3, [9, 10, 10]],
  [28, 256, 512, 1, [10, 10, 10]],
  [14, 512, 512, 1, [10, 9, 9]],
];

function majorOf(
  [imageSize, inputChannels, outputChannels, bits, shifts]: Row,
  at: number,
): MajorLayer {
  return {
    imageSize,
    inputChannels,
    outputChannels,
    coefficientBits: bits,
    sublayers: shifts.map((_, index) => ({
      conv: `conv${at + 1}_${index + 1}`,
      output: `relu${at + 1}_${index + 1}`,
      kind: "full",
      inputChannels: index === 0 ? inputChannels : outputChannels,
      outputChannels,
    })),
    pooling: "max",
    upsampling: undefined,
    shortcutStarts: [],
    learning: false,
    lastLayerOut: false,
    tenBits: false,
  };
}

const layout: Layout = { majors: rows.map(majorOf), activationBitMode: 0 };
const [first, , , fourth] = layout.majors;
if (first === undefined || fourth === undefined) throw new Error("no layers");

const layers: readonly LogLayer[] = layout.majors.flatMap((major, at) =>
  major.sublayers.map(({ conv }, index) => ({
    name: conv,
    coefficientBits: major.coefficientBits,
    parameterBits: 8,
    biasBits: 20,
    shift: rows[at]?.[4][index] ?? 0,
    maxWeight: 0.25,
    maxBias: 1.5,
    cap: 31,
  })),
);

/** Bits `from..to` of a word. */
const bits = (word: number, from: number, to: number): number =>
  Number((BigInt(word) >> BigInt(from)) & (2n ** BigInt(to - from + 1) - 1n));

describe("register words", () => {
  it("hold each number in its field", () => {
    const addresses = { input: 768, output: 256 };
    for (const [at, [size, input, output, coefficientBits, shifts]] of rows.entries()) {
      const major = majorOf(rows[at] as Row, at);
      const { words, unknown } = registerWords(major, shifts, addresses);
      const [w0, w1, w2] = words;
      const fields = [bits(w0, 0, 9), bits(w0, 10, 20), bits(w0, 21, 29), bits(w0, 30, 31)];
      expect(fields).toEqual([size, Math.ceil(input / 4), output / 4, 1]);
      expect([bits(w1, 0, 3), bits(w1, 4, 7), bits(w1, 8, 15)]).toEqual([
        shifts[0],
        shifts.length,
        0,
      ]);
      expect([bits(w1, 16, 26), bits(w1, 27, 29)]).toEqual([3, 1]);
      expect(bits(w1, 30, 31)).toBe(coefficientBits === 3 ? 1 : 3);
      const others = shifts.slice(1).map((_, index) => bits(w2, 4 * index, 4 * index + 3));
      expect(others).toEqual(shifts.slice(1));
      expect(unknown).toEqual([]);
    }
  });

  it("name what is not known and leave it at 0", () => {
    const major = { ...first, coefficientBits: 8 as const };
    const { words, unknown } = registerWords(major, [1, 2], undefined);
    expect(bits(words[1], 16, 31)).toBe(0);
    expect(unknown).toHaveLength(2);
  });

  it("keep nine sublayers' shifts apart", () => {
    const shifts = [1, 2, 3, 4, 5, 6, 7, 8, 15, 4];
    const sublayers = shifts.map(() => first.sublayers[0]).filter((sub) => sub !== undefined);
    const { words, unknown } = registerWords({ ...first, sublayers }, shifts, undefined);
    expect(words[2]).toBe(0xf8765432);
    expect(unknown).toContain("shifts of sublayers beyond 9");
  });

  it("refuse what a field cannot hold", () => {
    expect(() => registerWords(first, [16, 0], undefined)).toThrow('"shift of sublayer 1"');
    expect(() => registerWords(first, [-1, 0], undefined)).toThrow("0..15");
    expect(() => registerWords(first, [1], undefined)).toThrow("expected 2, got 1");
    const odd = { input: 100, output: 0 };
    expect(() => registerWords(first, [1, 2], odd)).toThrow("input address");
  });
});

describe("filter lines", () => {
  it("are those of the one network that was seen", () => {
    expect(filterLines(5801, layout)).toEqual([544, 3616, 24096, 65056, 114208]);
  });

  it("are not known for other chips, bits and kernels", () => {
    expect(filterLines(2801, layout)).toEqual(rows.map(() => undefined));
    const eight = { ...layout, majors: [first, { ...fourth, coefficientBits: 8 as const }, first] };
    expect(filterLines(5801, eight)).toEqual([544, undefined, undefined]);
  });
});

describe("log.txt", () => {
  const log = {
    chipType: 5801,
    started: "2024-05-01 12:00:00",
    commands: ["inlay convert"],
    layout,
    layers,
    addresses: undefined,
  };

  it("has a line per layer, both tables and the registers", () => {
    const lines = logText(log).split("\n");
    expect(lines[0]).toBe("starting the conversion for GTI5801 at 2024-05-01 12:00:00 UTC");
    expect(lines).toContain("layer 1 conv1_1: weights of 8 bits, 3-bit slicing, shift 8");
    expect(lines).toContain("layer 13 conv5_3: weights of 8 bits, 1-bit slicing, shift 9");
    const table = lines.slice(lines.findIndex((line) => line.startsWith("Layer")));
    expect(table[1]?.split(/ +/)).toEqual([
      ...["1", "224", "3", "64", "2", "8,9", "-", "-", "3", "1", "0", "544"],
    ]);
    const registers = lines.filter((line) => line.startsWith("registers"));
    expect(registers).toHaveLength(5);
    expect(registers[0]).toMatch(
      /^registers 1: 0x[0-9a-f]{8} 0x[0-9a-f]{8} 0x00000009 \(not known/,
    );
    const known = logText({ ...log, addresses: rows.map(() => ({ input: 0, output: 256 })) });
    expect(known.split("\n").filter((line) => /not known/.test(line))).toEqual([]);
  });

  it("tells where a register cannot hold a number, and does not fail", () => {
    const large = layers.map((layer, at) => (at === 0 ? { ...layer, shift: 16 } : layer));
    expect(logText({ ...log, layers: large })).toContain("registers 1: none: ");
  });

  it("needs the layers of the layout", () => {
    expect(() => logText({ ...log, layers: layers.slice(1) })).toThrow("conv1_1");
    expect(() => logText({ ...log, layers: [...layers, ...layers.slice(0, 1)] })).toThrow("fewer");
  });
});

describe("conversion.log", () => {
  const layer: LogLayer = {
    name: "conv1",
    coefficientBits: 1,
    parameterBits: 12,
    biasBits: 12,
    shift: 7,
    maxWeight: 1,
    maxBias: 15,
    cap: 34.5,
  };

  it("warns of biases that drown weights, and the other way round", () => {
    expect(drowned(layer)).toMatch(/takes 3 of 12 bits/);
    // The weights fill their bits; or it is not the bias that keeps the shift down.
    expect(drowned({ ...layer, maxWeight: 15 })).toBeUndefined();
    expect(drowned({ ...layer, maxBias: 7.9 })).toBeUndefined();
    expect(drowned({ ...layer, maxBias: 3 / 128 })).toMatch(/3 steps/);
    expect(drowned({ ...layer, maxBias: 4 / 128 })).toBeUndefined();
    expect(drowned({ ...layer, maxBias: 0 })).toBeUndefined();
    expect(drowned({ ...layer, maxWeight: 0 })).toMatch(/takes 10 of 12 bits/);
  });

  it("has caps, the scale factor, and both maxima of every layer", () => {
    const other = { ...layer, name: "conv2", maxWeight: 15, cap: undefined };
    expect(conversionLogText({ layers: [layer, other], scaleFactor: 1 / 3 }).split("\n")).toEqual([
      "relu alphas",
      "conv1 34.5",
      "conv2 -",
      "scale factor 0.333333",
      "",
      "layer  shift  max|W|  max|B|",
      "conv1  7      1       15",
      "conv2  7      15      15",
      "warning: conv1: the bias takes 3 of 12 bits from the weights; keep it within +-max|W| while training",
      "",
    ]);
  });
});
