import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { parseCifar } from "./cifar.ts";
import { isIdx, parseIdxLabels, parseIdxPictures } from "./idx.ts";

function idx(dims: readonly number[], length: number): Uint8Array {
  const bytes = new Uint8Array(4 + dims.length * 4 + length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x0800 + dims.length);
  for (const [axis, dim] of dims.entries()) view.setUint32(4 + axis * 4, dim);
  for (let at = 0; at < length; at++) bytes[4 + dims.length * 4 + at] = at;
  return bytes;
}

describe("idx", () => {
  it("reads pictures and labels", () => {
    const pictures = parseIdxPictures(idx([2, 2, 3], 12), "x");
    expect(pictures.count).toBe(2);
    expect(pictures.picture(1)).toEqual({
      width: 3,
      height: 2,
      channels: 1,
      data: Uint8Array.of(6, 7, 8, 9, 10, 11),
    });
    expect(Array.from(parseIdxLabels(idx([3], 3), "x"))).toEqual([0, 1, 2]);
    expect(isIdx(idx([3], 3))).toBe(true);
    expect(isIdx(Uint8Array.of(0, 0, 8, 3))).toBe(false);
  });

  it("believes no header that the length contradicts", () => {
    expect(() => parseIdxPictures(idx([2, 2, 3], 11), "x")).toThrow("expected 28 bytes, got 27");
    expect(() => parseIdxPictures(idx([2 ** 32 - 1, 2, 3], 12), "x")).toThrow("contradicts");
    expect(() => parseIdxPictures(idx([1, 2 ** 32 - 1, 2 ** 32 - 1], 12), "x")).toThrow(
      "too large",
    );
    expect(() => parseIdxPictures(idx([5], 5), "x")).toThrow(
      "expected pictures: bytes 00 00 08 03, got 00 00 08 01",
    );
    expect(() => parseIdxLabels(idx([2, 2, 3], 12), "x")).toThrow("expected labels");
  });

  it("meets any bytes with a result or an InlayError", () => {
    const head = fc.constantFrom([0, 0, 8, 3], [0, 0, 8, 1], [0, 0, 9, 3]);
    fc.assert(
      fc.property(head, fc.uint8Array({ maxLength: 40 }), (start, rest) => {
        for (const parse of [parseIdxPictures, parseIdxLabels, parseCifar]) {
          try {
            parse(Uint8Array.from([...start, ...rest]), "x");
          } catch (error) {
            expect(error).toBeInstanceOf(InlayError);
          }
        }
      }),
    );
  });
});

describe("cifar", () => {
  it("reads CIFAR-10 and the fine labels of CIFAR-100", () => {
    const ten = new Uint8Array(2 * 3073);
    ten.set([9, 1], 0);
    ten[1 + 1024] = 2;
    ten[1 + 2048] = 3;
    const records = parseCifar(ten, "x");
    expect([records.kind, records.count, records.label(0), records.label(1)]).toEqual([
      "cifar-10",
      2,
      9,
      0,
    ]);
    const picture = records.picture(0);
    expect([picture.width, picture.height, picture.channels]).toEqual([32, 32, 3]);
    expect(Array.from(picture.data.subarray(0, 6))).toEqual([1, 2, 3, 0, 0, 0]);
    const hundred = new Uint8Array(3074);
    hundred.set([5, 99, 7]);
    expect(parseCifar(hundred, "x").label(0)).toBe(99);
    expect(parseCifar(hundred, "x").picture(0).data[0]).toBe(7);
  });

  it("refuses other lengths and labels out of range", () => {
    expect(() => parseCifar(new Uint8Array(3072), "x")).toThrow("not a CIFAR binary file");
    expect(() => parseCifar(new Uint8Array(0), "x")).toThrow("not a CIFAR binary file");
    expect(() => parseCifar(new Uint8Array(3073).fill(10), "x")).toThrow(
      "x#0: a CIFAR label is out of range",
    );
  });
});
