import { describe, expect, it } from "vitest";
import { image } from "./image.ts";
import { pixelStatistics } from "./pixel-statistics.ts";
import { thumbnail } from "./thumbnail.ts";

describe("pixelStatistics", () => {
  it("has mean and deviation over all pixels, and the sizes by frequency", () => {
    const statistics = pixelStatistics();
    statistics.add(image(1, 1, 3, Uint8Array.of(10, 0, 7)));
    statistics.add(image(1, 2, 3, Uint8Array.of(20, 0, 7, 30, 6, 7)));
    statistics.add(image(1, 2, 3, Uint8Array.of(20, 0, 7, 20, 6, 7)));
    expect(statistics.sizes()).toEqual([
      { width: 1, height: 2, channels: 3, count: 2 },
      { width: 1, height: 1, channels: 3, count: 1 },
    ]);
    const moments = statistics.moments();
    expect(moments?.mean).toEqual([20, 2.4, 7]);
    expect(moments?.std[0]).toBeCloseTo(Math.sqrt(200 / 5), 12);
    expect(moments?.std[2]).toBe(0);
  });

  it("has none for no picture, and none for gray mixed with colour", () => {
    const statistics = pixelStatistics();
    expect(statistics.moments()).toBeUndefined();
    statistics.add(image(1, 1, 3, Uint8Array.of(10, 0, 7)));
    statistics.add(image(1, 1, 1, Uint8Array.of(10)));
    expect(statistics.moments()).toBeUndefined();
  });
});

describe("thumbnail", () => {
  it("averages, keeps proportions and leaves small pictures alone", () => {
    const stripes = Uint8Array.from({ length: 40 * 20 }, (_, at) => (at % 2) * 200);
    const small = thumbnail(image(40, 20, 1, stripes), 10);
    expect([small.width, small.height]).toEqual([10, 5]);
    expect(new Set(small.data)).toEqual(new Set([100]));
    expect(thumbnail(small, 10)).toBe(small);
    const line = thumbnail(image(1, 1000, 3, new Uint8Array(3000).fill(9)), 100);
    expect([line.width, line.height]).toEqual([1, 100]);
  });
});
