import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { accuracyOf, wilsonInterval } from "./accuracy.ts";

const counts = fc
  .integer({ min: 1, max: 100_000 })
  .chain((total) => fc.tuple(fc.integer({ min: 0, max: total }), fc.constant(total)));

describe("wilsonInterval", () => {
  test("equals published values", () => {
    // Newcombe, Statist. Med. 17 (1998), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    const cases = [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ] as const;
    for (const [count, total, lo, hi] of cases) {
      const interval = wilsonInterval(count, total);
      expect(interval[0] / 100).toBeCloseTo(lo, 4);
      expect(interval[1] / 100).toBeCloseTo(hi, 4);
    }
  });

  test("holds the share, lies in 0..100, and mirrors", () => {
    fc.assert(
      fc.property(counts, ([count, total]) => {
        const [lo, hi] = wilsonInterval(count, total);
        const share = (100 * count) / total;
        expect(lo).toBeGreaterThanOrEqual(0);
        expect(hi).toBeLessThanOrEqual(100);
        expect(lo).toBeLessThanOrEqual(share + 1e-9);
        expect(hi).toBeGreaterThanOrEqual(share - 1e-9);
        const mirrored = wilsonInterval(total - count, total);
        expect(mirrored[0]).toBeCloseTo(100 - hi, 9);
      }),
    );
  });

  test("narrows with the sample", () => {
    const width = (total: number): number => {
      const [lo, hi] = wilsonInterval(total / 2, total);
      return hi - lo;
    };
    expect(width(100)).toBeGreaterThan(width(1000));
  });
});

test("accuracyOf gives count, percent and interval, and refuses what is no count", () => {
  expect(accuracyOf(353, 500)).toMatchObject({ count: 353, percent: 70.6 });
  for (const [count, total] of [
    [1, 0],
    [-1, 5],
    [6, 5],
    [0.5, 2],
    [Number.NaN, 3],
  ] as const) {
    expect(() => accuracyOf(count, total)).toThrow("0 <= count <= total");
  }
});
