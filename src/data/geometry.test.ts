import { describe, expect, it } from "vitest";
import { applyGeometry, centreCrop, resizedSize } from "./geometry.ts";
import { image } from "./image.ts";
import { defaultPreprocess } from "./preprocess.ts";

const ramp = (width: number, height: number): ReturnType<typeof image> =>
  image(
    width,
    height,
    1,
    Uint8Array.from({ length: width * height }, (_, index) => index),
  );

describe("geometry", () => {
  it("keeps the proportions for a shorter side, the longer rounded down", () => {
    const shorter = { kind: "shorter", size: 256 } as const;
    expect(resizedSize({ width: 500, height: 375 }, shorter)).toEqual({ width: 341, height: 256 });
    expect(resizedSize({ width: 375, height: 500 }, shorter)).toEqual({ width: 256, height: 341 });
    expect(resizedSize({ width: 3, height: 3 }, shorter)).toEqual({ width: 256, height: 256 });
    expect(resizedSize({ width: 9, height: 4 }, { kind: "exact", width: 5, height: 6 })).toEqual({
      width: 5,
      height: 6,
    });
  });

  it("crops the centre, offsets rounded down", () => {
    expect(Array.from(centreCrop(ramp(5, 4), 2, 2, "x").data)).toEqual([6, 7, 11, 12]);
    expect(Array.from(centreCrop(ramp(4, 3), 1, 1, "x").data)).toEqual([5]);
    const whole = ramp(3, 3);
    expect(centreCrop(whole, 3, 3, "x")).toBe(whole);
  });

  it("names the picture that is smaller than the crop", () => {
    expect(() => centreCrop(ramp(5, 4), 5, 5, "small.png")).toThrow(
      "small.png: the picture is smaller than the crop: expected at least 5x5, got 5x4",
    );
  });

  it("applies colour, resize, crop and the second resize in this order", () => {
    const source = image(6, 3, 3, new Uint8Array(54).fill(9));
    const preprocess = {
      ...defaultPreprocess,
      resize: { kind: "shorter", size: 6 },
      crop: 4,
      resizeAfter: 3,
    } as const;
    const out = applyGeometry(source, preprocess, 1, "x");
    expect(out).toEqual(image(3, 3, 1, new Uint8Array(9).fill(9)));
  });

  it("gives extreme proportions an error instead of a giant", () => {
    const line = image(60_000, 1, 1, new Uint8Array(60_000));
    const preprocess = { ...defaultPreprocess, resize: { kind: "shorter", size: 256 } } as const;
    expect(() => applyGeometry(line, preprocess, 1, "x")).toThrow(
      "x (60000x1) resized: the picture is too large",
    );
  });
});
