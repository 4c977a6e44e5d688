import { describe, expect, it } from "vitest";
import { checkPreprocess, defaultPreprocess, perChannel, pictureChannels } from "./preprocess.ts";

describe("preprocess", () => {
  it("refuses fields that cannot be meant, naming the flag", () => {
    const check =
      (fields: object): (() => unknown) =>
      () =>
        checkPreprocess({ ...defaultPreprocess, ...fields });
    expect(check({ crop: 0 })).toThrow("--crop");
    expect(check({ crop: 1e9 })).toThrow("--crop");
    expect(check({ resizeAfter: 2.5 })).toThrow("--resize-after");
    expect(check({ resize: { kind: "exact", width: 5, height: -1 } })).toThrow("--resize");
    expect(check({ mean: [Number.NaN] })).toThrow("--mean");
    expect(check({ scale: 0 })).toThrow("--scale");
    expect(check({ scale: Number.POSITIVE_INFINITY })).toThrow("--scale");
    expect(check({ std: [0] })).toThrow("--std");
    expect(checkPreprocess(defaultPreprocess)).toBe(defaultPreprocess);
  });

  it("spreads one value over the channels", () => {
    expect(perChannel("--mean", [5], 3)).toEqual([5, 5, 5]);
    expect(perChannel("--mean", [1, 2, 3], 3)).toEqual([1, 2, 3]);
    expect(() => perChannel("--mean", [1, 2], 3)).toThrow(
      "--mean needs one value, or one per input channel",
    );
  });

  it("takes the colour mode from the network unless told, and refuses a contradiction", () => {
    expect(pictureChannels("auto", 1)).toBe(1);
    expect(pictureChannels("auto", 3)).toBe(3);
    expect(pictureChannels("gray", 1)).toBe(1);
    expect(() => pictureChannels("gray", 3)).toThrow('"gray" does not fit');
    expect(() => pictureChannels("auto", 4)).toThrow("got 4");
  });
});
