import { describe, expect, it } from "vitest";
import { AffineFit } from "./affine-fit.ts";

describe("AffineFit", () => {
  it("finds factor and offset of each place", () => {
    const fit = new AffineFit(3);
    for (const x of [1, 3, 4]) fit.add([x, x, 5], [2 * x + 1, 7, x]);
    const { factors, offsets } = fit.solve(0);
    expect(factors[0]).toBeCloseTo(2, 12);
    expect(offsets[0]).toBeCloseTo(1, 12);
    expect([factors[1], offsets[1]].map((value) => value?.toFixed(9))).toEqual([
      "0.000000000",
      "7.000000000",
    ]);
    // A value that never varies tells nothing of a factor.
    expect(factors[2]).toBe(1);
    expect(offsets[2]).toBeCloseTo(8 / 3 - 5, 12);
  });

  it("keeps to factor 1 with a large ridge", () => {
    const fit = new AffineFit(1);
    for (const x of [1, 3]) fit.add([x], [2 * x]);
    const { factors, offsets } = fit.solve(1e9);
    expect(factors[0]).toBeCloseTo(1, 6);
    expect(offsets[0]).toBeCloseTo(2, 6);
  });
});
