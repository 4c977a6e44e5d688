import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { binAt, countBits, countOf, startCounts, valueOfKey } from "./order-statistic.ts";

function select(parts: readonly Float32Array[], rank: number): number {
  const upper = startCounts();
  for (const part of parts) countBits(upper, part);
  const first = binAt(upper, rank);
  const lower = startCounts(first.bin);
  for (const part of parts) countBits(lower, part);
  return valueOfKey(first.bin, binAt(lower, first.rank).bin);
}

describe("the value at a place", () => {
  it("is that of the sorted values", () => {
    const values = fc.float32Array({ noNaN: true, minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(values, { minLength: 1, maxLength: 4 }), fc.nat(), (parts, seed) => {
        const all = Float32Array.from(parts.flatMap((part) => [...part])).sort();
        const rank = seed % all.length;
        // -0 and 0 are equal to a sort of numbers, and neighbours here.
        expect(select(parts, rank) + 0).toBe(all[rank]! + 0);
      }),
    );
  });

  it("reads a part of a buffer", () => {
    const values = Float32Array.of(9, 1, 2, 3, 9).subarray(1, 4);
    expect([0, 1, 2].map((rank) => select([values], rank))).toEqual([1, 2, 3]);
  });

  it("is refused beyond the last", () => {
    expect(() => select([Float32Array.of(1)], 1)).toThrow("expected below 1, got 1");
  });

  it("counts what is infinite or no number", () => {
    const counts = startCounts();
    const odd = [Infinity, -Infinity, Number.NaN, -Number.NaN];
    countBits(counts, Float32Array.of(1, -1, 0, -0, 3.4e38, -3.4e38, 1e-45, ...odd));
    expect(countOf(counts)).toEqual({ all: 11, odd: 4 });
  });
});
