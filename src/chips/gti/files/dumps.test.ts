import { describe, expect, it } from "vitest";
import { tensor } from "../../../tensor/tensor.ts";
import type { Layout, MajorLayer } from "../layout.ts";
import {
  chipDumpName,
  encodeDump,
  endsInFcMode,
  fcModeFactor,
  readDumps,
  referenceDumpName,
} from "./dumps.ts";

const layer = { conv: "conv1/dw", major: 2, sublayer: 1, shape: [1, 2, 1, 2], factor: 1 };
const levels = tensor("uint8", [1, 2, 1, 2], Uint8Array.of(0, 1, 30, 31));

const major: MajorLayer = {
  imageSize: 14,
  inputChannels: 4,
  outputChannels: 4,
  coefficientBits: 3,
  sublayers: [],
  pooling: "max",
  upsampling: undefined,
  shortcutStarts: [],
  learning: false,
  lastLayerOut: false,
  tenBits: false,
};
const layoutOf = (last: Partial<MajorLayer>): Layout => ({
  majors: [
    { ...major, imageSize: 28 },
    { ...major, ...last },
  ],
  activationBitMode: 0,
});

describe("dumps", () => {
  it("are named after the place or the convolution", () => {
    expect(chipDumpName(5, 3)).toBe("dump_sublayer5-3.bin");
    expect(["conv1_1", "a/b\\c:d", "../x", ".hidden"].map(referenceDumpName)).toEqual([
      ...["conv1_1.bin", "a_b_c_d.bin", "__x.bin", "_hidden.bin"],
    ]);
  });

  it("hold a level per byte, times 8 in FC mode", () => {
    expect(encodeDump(levels, 1, "conv1")).toEqual(Uint8Array.of(0, 1, 30, 31));
    expect(encodeDump(levels, fcModeFactor, "conv1")).toEqual(Uint8Array.of(0, 8, 240, 248));
    const wide = tensor("uint16", [1], Uint16Array.of(1023));
    expect(() => encodeDump(wide, 1, "conv1")).toThrow("conv1: a level does not fit");
  });

  it("are in FC mode where the last major layer ends at 7 x 7 by pooling", () => {
    expect(endsInFcMode(layoutOf({}))).toBe(true);
    expect(endsInFcMode(layoutOf({ pooling: undefined, imageSize: 7 }))).toBe(false);
    expect(endsInFcMode(layoutOf({ imageSize: 28 }))).toBe(false);
  });

  it("are found among a folder's files", () => {
    const files = new Map([
      ["dump_sublayer2-1.bin", encodeDump(levels, 8, "conv1")],
      ["conv1_dw.bin", encodeDump(levels, 1, "conv1")],
      ["notes.txt", new Uint8Array(9)],
    ]);
    const chip = readDumps(files, [{ ...layer, factor: 8 }], "chip");
    const reference = readDumps(files, [layer], "reference");
    expect([...chip, ...reference].map((dump) => dump.levels)).toEqual([levels.data, levels.data]);
    expect(readDumps(new Map(), [layer], "chip")).toEqual([]);
  });

  it("are refused where they are not the layer's", () => {
    const files = new Map([["conv1_dw.bin", Uint8Array.of(0, 8, 9, 16)]]);
    const wide = { ...layer, shape: [3, 1, 1] };
    expect(() => readDumps(files, [wide], "reference")).toThrow("3x1x1 = 3 bytes, got 4");
    const scaled = { ...layer, factor: 8 };
    expect(() => readDumps(files, [scaled], "reference")).toThrow("conv1_dw.bin:2");
    const twice = [layer, { ...layer, conv: "conv1:dw" }];
    expect(() => readDumps(files, twice, "reference")).toThrow("one name");
  });
});
