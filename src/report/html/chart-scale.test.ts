import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { outsidePercent, rebin } from "./chart-histogram.ts";
import { linearScale, ticks } from "./chart-scale.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

describe("linearScale", () => {
  test("maps the ends and the middle", () => {
    const scale = linearScale(-2, 6);
    expect([-2, 0, 2, 6, 100, -100].map(scale.at)).toEqual([0, 25, 50, 100, 100, 0]);
    expect(linearScale(3, 3).at(3)).toBe(50);
  });

  test("stays within 0..100 and keeps order, also for the largest numbers", () => {
    fc.assert(
      fc.property(finite, finite, finite, finite, (a, b, c, d) => {
        const scale = linearScale(Math.min(a, b), Math.max(a, b));
        const [low, high] = [scale.at(Math.min(c, d)), scale.at(Math.max(c, d))];
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(100);
        expect(low).toBeLessThanOrEqual(high);
      }),
    );
  });
});

describe("ticks", () => {
  test("are round", () => {
    expect(ticks(0, 50, 5)).toEqual([0, 10, 20, 30, 40, 50]);
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(72.3, 97.9, 5)).toEqual([80, 90]);
    expect(ticks(5, 5, 5)).toEqual([5]);
  });

  test("lie within the span and are few", () => {
    const span = fc.tuple(fc.integer({ min: -1e6, max: 1e6 }), fc.integer({ min: 1, max: 1e6 }));
    fc.assert(
      fc.property(span, fc.integer({ min: 1, max: 12 }), ([lo, width], most) => {
        const list = ticks(lo, lo + width, most);
        expect(list.length).toBeLessThanOrEqual(most + 1);
        for (const tick of list) {
          expect(tick).toBeGreaterThanOrEqual(lo - 1e-6);
          expect(tick).toBeLessThanOrEqual(lo + width + 1e-6);
        }
      }),
    );
  });
});

describe("histogram bins", () => {
  test("merging keeps the total and the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000)), fc.integer({ min: 1, max: 99 }), (counts, most) => {
        const merged = rebin(counts, most);
        const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
        expect(merged.length).toBeLessThanOrEqual(most);
        expect(sum(merged)).toBe(sum(counts));
      }),
    );
  });

  test("the share beyond the range counts bins by their centre", () => {
    const base = {
      layer: "a",
      tensor: "activations",
      min: 0,
      max: 4,
      counts: [1, 2, 3, 4],
    } as const;
    expect(outsidePercent({ ...base, range: { lo: 0, hi: 3 } })).toBe(40);
    expect(outsidePercent({ ...base, range: { lo: 1, hi: 9 } })).toBe(10);
    expect(outsidePercent({ ...base, range: null })).toBeNull();
    expect(outsidePercent({ ...base, counts: [], range: { lo: 0, hi: 1 } })).toBeNull();
  });
});
