import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { InlayError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import { joinBytes } from "../../tensor/chunks.ts";
import { readNcnn } from "./read.ts";
import { writeNcnn } from "./write.ts";

/** Layers as other tools write them: integers and floats in their own forms, blanks, activations inside. */
const foreign = `7767517
8 10
Input            data             0 1 data 0=6 1=6 2=1
Convolution      conv             1 1 data c 0=2 1=3 11=3 2=1 3=2 4=1 14=1 15=0 16=0 5=1 6=18 9=2 -23310=1,1.000000e-01
Split            splitncnn_0      1 2 c c_0 c_1
Pooling          pool             1 1 c_0 p 0=0 1=2 2=2 3=0 4=0 5=1

Slice            cut              1 2 c_1 s0 s1 -23300=2,-233,-233 1=0
Eltwise          sum              2 1 s0 s1 e 0=1 1=0.5,-1.0
Interp           up               1 1 p u 0=1 1=2.000000 2=2.000000
InnerProduct     fc               1 1 u fc 0=1 1=0 2=8
`;

const weights = (count: number, ...flagsAt: readonly number[]): Uint8Array => {
  const view = new DataView(new ArrayBuffer(count * 4));
  for (let at = 0; at < count; at += 1) {
    if (!flagsAt.includes(at)) view.setFloat32(at * 4, at / 8, true);
  }
  return new Uint8Array(view.buffer);
};

const read = (param: string, bin: Uint8Array): Graph =>
  readNcnn({
    param: { name: "net.param", content: param },
    bin: { name: "net.bin", content: bin },
  });

/** 18 weights and 2 biases behind a flag, 8 weights behind another. */
const foreignBin = weights(30, 0, 21);

describe("a network of other tools", () => {
  test("is read, with the activation that a convolution has inside", () => {
    const graph = read(foreign, foreignBin);
    const ops = graph.nodes.filter(({ op }) => op !== "const").map(({ op }) => op);
    expect(ops).toEqual([
      ...["input", "conv", "relu", "maxPool", "slice", "slice", "add", "resize", "flatten"],
      "linear",
    ]);
    expect(graph.outputs.map(({ name }) => name)).toEqual(["e", "fc"]);
    const relu = graph.nodes.find(({ op }) => op === "relu");
    expect(relu?.attrs).toEqual({ slope: Math.fround(0.1) });
    const conv = graph.nodes.find(({ op }) => op === "conv");
    expect(conv?.attrs).toMatchObject({ stride: [2, 2], pads: [1, 1, 0, 0] });
  });

  test.each<[string, (text: string) => string, RegExp]>([
    ["no magic number", (text) => text.slice(1), /net\.param:1: this is no ncnn network: expected/],
    ["a count too high", (text) => text.replace("8 10", "9 10"), /net\.param:2: .*layers/],
    ["blobs too few", (text) => text.replace("8 10", "8 11"), /net\.param:2: .*blobs/],
    [
      "a huge count",
      (text) => text.replace("1 2 c c_0", "1 999999 c c_0"),
      /net\.param:5: .*names/,
    ],
    [
      "an unknown type",
      (text) => text.replace("Interp", "Interpol"),
      /net\.param:10: unknown layer type/,
    ],
    [
      "a type that is a property of objects",
      (text) => text.replace("Interp ", "constructor "),
      /unknown/,
    ],
    [
      "a known type that has no importer",
      (text) => text.replace("Interp", "Reorg"),
      /net\.param:10: Reorg/,
    ],
    [
      "a blob of no layer",
      (text) => text.replace("1 1 p u", "1 1 q u"),
      /net\.param:10: .*no layer made.*q/,
    ],
    ["a blob read twice", (text) => text.replace("1 1 p u", "1 1 c u"), /read twice.*Split/],
    [
      "a blob made twice",
      (text) => text.replace("1 1 p u", "1 1 p c"),
      /net\.param:10: .*made twice/,
    ],
    ["no parameter", (text) => text.replace("3=2", "3:2"), /net\.param:4: this is no parameter/],
    ["a parameter twice", (text) => text.replace("3=2", "0=2"), /net\.param:4: .*given twice/],
    ["an id too high", (text) => text.replace("3=2", "99=2"), /net\.param:4: .*0\.\.31/],
    ["an integer too large", (text) => text.replace("3=2", "3=4294967297"), /32 bits/],
    ["no number", (text) => text.replace("3=2", "3=two"), /net\.param:4: this is no number/],
    ["a float too large", (text) => text.replace("1.000000e-01", "1e99"), /no number/],
    ["a float for an integer", (text) => text.replace("3=2", "3=2.0"), /another kind.*int/],
    ["an integer for a float", (text) => text.replace("1=2.000000", "1=2"), /point: 6\.0/],
    [
      "an array of another length",
      (text) => text.replace("-23300=2,", "-23300=3,"),
      /another length/,
    ],
    ["a stride of 0", (text) => text.replace("3=2", "3=0"), /net\.param:4: .*1\.\.1000000/],
    [
      "weights that do not fit the kernel",
      (text) => text.replace("6=18", "6=19"),
      /does not fit the kernel/,
    ],
    [
      "weights that do not fit the blob",
      (text) => text.replace("6=18", "6=36"),
      /net\.(param:4|bin)/,
    ],
    [
      "a size beyond memory",
      (text) => text.replace("0=6 1=6", "0=900000 1=900000"),
      /net\.param:3: .*too large/,
    ],
    ["no size", (text) => text.replace("0=6 1=6 2=1", "0=0"), /net\.param:3: .*states no size/],
    [
      "another group of settings",
      (text) => text.replace("5=1 6=18", "5=1 8=1 6=18"),
      /parameter 8/,
    ],
    ["an activation that we have not", (text) => text.replace("9=2", "9=6"), /unknown activation/],
    [
      "a window beyond the image",
      (text) => text.replace("0=0 1=2 2=2", "0=0 1=99 2=2"),
      /smaller than the kernel/,
    ],
  ])("%s is an error with its place", (_, damage, message) => {
    expect(damage(foreign)).not.toBe(foreign);
    expect(() => read(damage(foreign), foreignBin)).toThrow(message);
    expect(() => read(damage(foreign), foreignBin)).toThrow(InlayError);
  });

  test("weights that end early, go on, or are stored in an unknown way", () => {
    expect(() => read(foreign, foreignBin.subarray(0, 88))).toThrow(
      /byte 88.*expected 32 more bytes, got 0/,
    );
    expect(() => read(foreign, foreignBin.subarray(0, 84))).toThrow(
      /byte 84.*expected 4 more bytes/,
    );
    expect(() => read(foreign, weights(31, 0, 21))).toThrow(
      /net\.bin: byte 120: weights are left over/,
    );
    expect(() => read(foreign, weights(30, 0))).toThrow(/byte 84.*not supported.*0x40280000/);
  });

  test("text and bytes at once, or neither, is a wrong call", () => {
    const bin = { name: "b", content: new Uint8Array() };
    expect(() => readNcnn({ bin })).toThrow("one of them");
  });
});

describe("damage", () => {
  const { param, paramBinary, bin: chunks } = writeNcnn(read(foreign, foreignBin));
  const bin = joinBytes(chunks);
  const readBinary = (bytes: Uint8Array): Graph =>
    readNcnn({ paramBinary: { name: "p", content: bytes }, bin: { name: "b", content: bin } });

  /** Reads, and lets only our own errors pass. */
  function readOrRefuse(work: () => Graph): boolean {
    try {
      work();
      return true;
    } catch (error) {
      if (error instanceof InlayError) return false;
      throw error;
    }
  }

  test("a file cut anywhere is an error", () => {
    expect(readBinary(paramBinary).outputs).toHaveLength(2);
    for (let end = 0; end < paramBinary.length; end += 1) {
      expect(readOrRefuse(() => readBinary(paramBinary.subarray(0, end)))).toBe(false);
    }
    for (let end = 0; end < bin.length; end += 1) {
      expect(readOrRefuse(() => read(param, bin.subarray(0, end)))).toBe(false);
    }
    const lines = param.trimEnd().split("\n");
    for (let count = 0; count < lines.length; count += 1) {
      expect(readOrRefuse(() => read(lines.slice(0, count).join("\n"), bin))).toBe(false);
    }
  });

  test("changed bytes and characters give a network or an error of ours, soon", () => {
    const place = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(place, { minLength: 1, maxLength: 4 }), (changes) => {
        const bytes = Uint8Array.from(paramBinary);
        const chars = [...param];
        for (const [at, value] of changes) {
          bytes[at % bytes.length] = value;
          chars[at % chars.length] = String.fromCharCode(32 + (value % 95));
        }
        readOrRefuse(() => readBinary(bytes));
        readOrRefuse(() => read(chars.join(""), bin));
      }),
      { numRuns: 1500 },
    );
  });
});
