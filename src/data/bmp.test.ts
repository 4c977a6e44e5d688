import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { decodeBmp } from "./bmp.ts";
import { pictureHeader } from "./picture-header.ts";

type Parts = {
  width: number;
  height: number;
  bits: number;
  rows: readonly number[][];
  palette?: readonly number[][];
};

function bmp({ width, height, bits, rows, palette = [] }: Parts): Uint8Array {
  const stride = Math.ceil((width * bits) / 32) * 4;
  const start = 54 + palette.length * 4;
  const bytes = new Uint8Array(start + stride * rows.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  view.setUint32(10, start, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, width, true);
  view.setInt32(22, height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, bits, true);
  view.setUint32(46, palette.length, true);
  for (const [index, color] of palette.entries()) bytes.set(color, 54 + index * 4);
  for (const [index, row] of rows.entries()) bytes.set(row, start + index * stride);
  return bytes;
}

const twoByTwo = {
  width: 2,
  height: 2,
  bits: 24,
  rows: [
    [1, 2, 3, 4, 5, 6],
    [7, 8, 9, 10, 11, 12],
  ],
};

describe("decodeBmp", () => {
  it("reads rows from the bottom, or from the top where the height is negative", () => {
    expect(decodeBmp(bmp(twoByTwo), "x").data).toEqual(
      Uint8Array.of(9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4),
    );
    expect(decodeBmp(bmp({ ...twoByTwo, height: -2 }), "x")).toEqual({
      width: 2,
      height: 2,
      channels: 3,
      data: Uint8Array.of(3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10),
    });
  });

  it("reads 32 bits without the fourth byte, and palettes", () => {
    const deep = bmp({ width: 1, height: 1, bits: 32, rows: [[1, 2, 3, 99]] });
    expect(decodeBmp(deep, "x").data).toEqual(Uint8Array.of(3, 2, 1));
    const palette = [
      [1, 2, 3, 0],
      [4, 5, 6, 0],
    ];
    const indexed = bmp({ width: 3, height: 1, bits: 8, rows: [[1, 0, 7]], palette });
    expect(decodeBmp(indexed, "x").data).toEqual(Uint8Array.of(6, 5, 4, 3, 2, 1, 0, 0, 0));
    const grays = [
      [9, 9, 9, 0],
      [7, 7, 7, 0],
    ];
    const gray = decodeBmp(
      bmp({ width: 2, height: 1, bits: 8, rows: [[1, 0]], palette: grays }),
      "x",
    );
    expect(gray).toEqual({ width: 2, height: 1, channels: 1, data: Uint8Array.of(7, 9) });
  });

  it("refuses what it cannot read, and claims beyond the file", () => {
    expect(() => decodeBmp(bmp({ ...twoByTwo, bits: 16, rows: [[], []] }), "x")).toThrow(
      "got 16 bits, compression 0",
    );
    expect(() => decodeBmp(bmp(twoByTwo).subarray(0, 60), "x.bmp")).toThrow(
      "x.bmp: the BMP picture is damaged",
    );
    expect(() =>
      decodeBmp(bmp({ ...twoByTwo, width: 60_000, height: 60_000, rows: [] }), "x"),
    ).toThrow("too large");
  });

  it("meets damage with a picture or an InlayError", () => {
    const whole = bmp({
      width: 3,
      height: 1,
      bits: 8,
      rows: [[1, 0, 1]],
      palette: [
        [1, 2, 3, 0],
        [4, 5, 6, 0],
      ],
    });
    const flip = fc.tuple(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(flip, { maxLength: 4 }), fc.nat({ max: whole.length }), (flips, cut) => {
        const bytes = whole.slice();
        for (const [at, value] of flips) bytes[at] = value;
        for (const read of [decodeBmp, pictureHeader]) {
          try {
            read(bytes.subarray(0, cut), "x");
          } catch (error) {
            expect(error).toBeInstanceOf(InlayError);
          }
        }
      }),
      { numRuns: 2000 },
    );
  });
});
