import { describe, expect, it } from "vitest";
import type { Random } from "../tensor/random.ts";
import { createRandom } from "../tensor/random.ts";
import { jitterColors } from "./color-jitter.ts";
import { image } from "./image.ts";

/** Draws what the test says: each value is the result of `below`. */
function drawing(...values: readonly number[]): Random {
  const left = values.slice();
  const next = (): number => left.shift() ?? 0;
  return { uint32: next, unit: next, below: next, normal: next };
}

const colors = image(2, 1, 3, Uint8Array.of(100, 50, 200, 10, 250, 0));

describe("colour jitter", () => {
  it("multiplies, rounds half up and clamps for brightness", () => {
    // below(4097) = 4096 is the factor 1.5; the others draw from a single value.
    const half = { brightness: 0.5, contrast: 0, saturation: 0 };
    const bright = jitterColors(colors, half, drawing(4096, 0, 0));
    expect(Array.from(bright.data)).toEqual([150, 75, 255, 15, 255, 0]);
    const dark = jitterColors(colors, half, drawing(0, 0, 0));
    expect(Array.from(dark.data)).toEqual([50, 25, 100, 5, 125, 0]);
  });

  it("moves towards the mean gray for contrast", () => {
    // Grays 82 and 150: their mean is 116. Factor 0 leaves nothing else.
    const all = { brightness: 0, contrast: 1, saturation: 0 };
    const flat = jitterColors(colors, all, drawing(0, 0, 0));
    expect(Array.from(flat.data)).toEqual([116, 116, 116, 116, 116, 116]);
    const double = jitterColors(colors, all, drawing(0, 8192, 0));
    expect(Array.from(double.data)).toEqual([84, 0, 255, 0, 255, 0]);
  });

  it("moves towards each pixel's gray for saturation, and leaves gray pictures alone", () => {
    const all = { brightness: 0, contrast: 0, saturation: 1 };
    const gray = jitterColors(colors, all, drawing(0, 0, 0));
    expect(Array.from(gray.data)).toEqual([82, 82, 82, 150, 150, 150]);
    const single = image(2, 1, 1, Uint8Array.of(3, 200));
    expect(jitterColors(single, all, drawing(0, 0, 8192)).data).toEqual(single.data);
  });

  it("changes nothing at strength 0, and draws three numbers all the same", () => {
    const random = createRandom(1);
    const other = createRandom(1);
    const none = { brightness: 0, contrast: 0, saturation: 0 };
    expect(jitterColors(colors, none, random).data).toEqual(colors.data);
    for (let draw = 0; draw < 3; draw++) other.below(1);
    expect(random.uint32()).toBe(other.uint32());
  });
});
