import { describe, expect, it } from "vitest";
import { caffeBlobSchema } from "../protobuf/caffe-blob.ts";
import { encode } from "../protobuf/encode.ts";
import { tensor } from "../tensor/tensor.ts";
import { cropMean, parseMean } from "./mean.ts";
import { normalize } from "./normalize.ts";
import { defaultPreprocess, type MeanImage } from "./preprocess.ts";

const pixels = tensor("uint8", [1, 1, 2, 3], Uint8Array.of(0, 100, 255, 10, 20, 30));

describe("normalize", () => {
  it("subtracts, scales and divides per channel, into planes", () => {
    const preprocess = { ...defaultPreprocess, mean: [10, 20, 30], scale: 0.5, std: [1, 2, 5] };
    const out = normalize(pixels, preprocess);
    expect(out.shape).toEqual([1, 3, 1, 2]);
    expect(Array.from(out.data)).toEqual([-5, 0, 20, 0, 22.5, 0]);
  });

  it("rounds each step to float32", () => {
    const out = normalize(pixels, {
      ...defaultPreprocess,
      mean: [103.53],
      scale: 1 / 255,
      std: [0.225],
    });
    const step = Math.fround(Math.fround(255 - Math.fround(103.53)) * Math.fround(1 / 255));
    expect(out.data[4]).toBe(Math.fround(step / Math.fround(0.225)));
  });

  it("subtracts a mean image pixel by pixel, its centre where it is larger", () => {
    const values = Array.from({ length: 3 * 3 * 4 }, (_, index) => index);
    const mean: MeanImage = { file: "m", shape: [3, 3, 4], values };
    expect(cropMean(mean, { channels: 3, height: 1, width: 2 }).values).toEqual([
      5, 6, 17, 18, 29, 30,
    ]);
    const out = normalize(pixels, { ...defaultPreprocess, mean });
    expect(Array.from(out.data)).toEqual([-5, 4, 83, 2, 226, 0]);
    expect(() => cropMean(mean, { channels: 3, height: 4, width: 4 })).toThrow("does not fit");
    expect(() => cropMean(mean, { channels: 1, height: 1, width: 1 })).toThrow("does not fit");
  });

  it("refuses a mean for another number of channels", () => {
    expect(() => normalize(pixels, { ...defaultPreprocess, mean: [1, 2] })).toThrow("--mean");
  });
});

describe("parseMean", () => {
  const blob = (
    fields: Parameters<typeof encode<typeof caffeBlobSchema, "BlobProto">>[2],
  ): Uint8Array => encode(caffeBlobSchema, "BlobProto", fields);
  const data = Float32Array.of(1, 2.5);

  it("reads the old and the new form of the shape", () => {
    const expected = { file: "m", shape: [1, 1, 2], values: [1, 2.5] };
    expect(parseMean(blob({ num: 1, channels: 1, height: 1, width: 2, data }), "m")).toEqual(
      expected,
    );
    expect(parseMean(blob({ shape: { dim: [1, 1, 1, 2] }, data }), "m")).toEqual(expected);
    expect(parseMean(blob({ shape: { dim: [1, 1, 2] }, data }), "m")).toEqual(expected);
  });

  it("refuses shapes and values that cannot be", () => {
    expect(() => parseMean(blob({ num: 2, channels: 1, height: 1, width: 1, data }), "m")).toThrow(
      "2x1x1x1",
    );
    expect(() =>
      parseMean(blob({ shape: { dim: [2 ** 40, 2 ** 40, 2 ** 40] }, data }), "m"),
    ).toThrow("not a mean image");
    expect(() => parseMean(blob({ channels: 3, height: 1, width: 2, data }), "m")).toThrow(
      "= 6 values, got 2",
    );
    const bad = Float32Array.of(1, Number.NaN);
    expect(() => parseMean(blob({ channels: 1, height: 1, width: 2, data: bad }), "m")).toThrow(
      "no number",
    );
    expect(() => parseMean(new Uint8Array(0), "m")).toThrow("not a mean image");
  });
});
