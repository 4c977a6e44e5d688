import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../tensor/random.ts";
import { type Image, image } from "./image.ts";
import { resize } from "./resize.ts";

function noise(width: number, height: number, channels: 1 | 3, seed: number): Image {
  const random = createRandom(seed);
  const data = Uint8Array.from({ length: width * height * channels }, () => random.below(256));
  return image(width, height, channels, data);
}

const clamp = (value: number, last: number): number => Math.min(Math.max(value, 0), last);

/** The textbook formula in doubles, unrounded. */
function exactSample(
  source: Image,
  x: number,
  y: number,
  c: number,
  width: number,
  height: number,
): number {
  const at = (sx: number, sy: number): number =>
    source.data[
      (clamp(sy, source.height - 1) * source.width + clamp(sx, source.width - 1)) *
        source.channels +
        c
    ]!;
  const fx = ((x + 0.5) * source.width) / width - 0.5;
  const fy = ((y + 0.5) * source.height) / height - 0.5;
  const [x0, y0] = [Math.floor(fx), Math.floor(fy)];
  const [a, b] = [fx - x0, fy - y0];
  const top = at(x0, y0) * (1 - a) + at(x0 + 1, y0) * a;
  const bottom = at(x0, y0 + 1) * (1 - a) + at(x0 + 1, y0 + 1) * a;
  return top * (1 - b) + bottom * b;
}

/** OpenCV's integer formula for one output value, without tables or row caches. */
function integerSample(
  source: Image,
  x: number,
  y: number,
  c: number,
  width: number,
  height: number,
): number {
  const weights = (at: number, from: number, to: number): [number, number, number] => {
    const position = Math.fround((at + 0.5) * (1 / (to / from)) - 0.5);
    const floor = Math.floor(position);
    const fraction = Math.fround(position - floor);
    return [floor, even(Math.fround(1 - fraction) * 2048), even(fraction * 2048)];
  };
  let [sx, a0, a1] = weights(x, source.width, width);
  if (sx < 0) [sx, a0, a1] = [0, 2048, 0];
  if (sx >= source.width - 1) [sx, a0, a1] = [source.width - 1, 2048, 0];
  const [sy, b0, b1] = weights(y, source.height, height);
  const row = (line: number): number => {
    const start = clamp(line, source.height - 1) * source.width;
    const pixel = (column: number): number =>
      source.data[(start + clamp(column, source.width - 1)) * source.channels + c]!;
    return pixel(sx) * a0 + pixel(sx + 1) * a1;
  };
  return (((b0 * (row(sy) >> 4)) >> 16) + ((b1 * (row(sy + 1) >> 4)) >> 16) + 2) >> 2;
}

function even(value: number): number {
  const near = Math.round(value);
  return near - value === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

const size = fc.integer({ min: 1, max: 24 });
const cases = fc.record({
  sw: size,
  sh: size,
  dw: size,
  dh: size,
  channels: fc.constantFrom<1 | 3>(1, 3),
  seed: fc.nat(),
});

describe("resize", () => {
  it("equals OpenCV's integer formula on every value, and the exact one within 1", () => {
    fc.assert(
      fc.property(cases, ({ sw, sh, dw, dh, channels, seed }) => {
        const source = noise(sw, sh, channels, seed);
        const { data } = resize(source, dw, dh);
        for (let at = 0; at < data.length; at++) {
          const c = at % channels;
          const x = Math.floor(at / channels) % dw;
          const y = Math.floor(at / channels / dw);
          if (sw !== dw || sh !== dh) expect(data[at]).toBe(integerSample(source, x, y, c, dw, dh));
          expect(
            Math.abs(data[at]! - Math.round(exactSample(source, x, y, c, dw, dh))),
          ).toBeLessThanOrEqual(1);
        }
      }),
    );
  });

  it("averages 2x2 blocks at half the size, rounding half up", () => {
    const source = image(4, 2, 1, Uint8Array.of(0, 1, 10, 10, 0, 1, 20, 21));
    expect(Array.from(resize(source, 2, 1).data)).toEqual([1, 15]);
  });

  it("repeats the edge and mixes quarters when it doubles", () => {
    const source = image(2, 1, 1, Uint8Array.of(0, 100));
    expect(Array.from(resize(source, 4, 1).data)).toEqual([0, 25, 75, 100]);
  });

  it("keeps a plain surface plain and the same size the same", () => {
    for (const value of [0, 1, 127, 128, 254, 255]) {
      const plain = image(7, 5, 3, new Uint8Array(105).fill(value));
      expect(new Set(resize(plain, 12, 3).data)).toEqual(new Set([value]));
    }
    const source = noise(5, 4, 3, 1);
    expect(resize(source, 5, 4)).toBe(source);
  });

  it("refuses sizes that are no size", () => {
    const source = noise(2, 2, 1, 1);
    for (const [width, height] of [
      [0, 1],
      [1.5, 1],
      [1, -2],
      [1e6, 1e6],
      [Number.NaN, 1],
    ] as const) {
      expect(() => resize(source, width, height)).toThrow("cannot resize");
    }
  });
});
