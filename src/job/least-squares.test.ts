import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../tensor/random.ts";
import { choleskyInPlace, fitLinear } from "./least-squares.ts";

/** Relative to the size of what is compared: normal equations square the condition number. */
const tolerance = 1e-6;

describe("fitLinear", () => {
  it("finds the map that made the data", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 6 }), (seed, features) => {
        const random = createRandom(seed);
        const samples = 20 + features;
        const [weights, offset] = [
          Array.from({ length: features }, () => random.normal()),
          random.normal(),
        ];
        const x = Float64Array.from({ length: samples * features }, () => random.normal());
        const y = Float64Array.from({ length: samples }, (_, sample) =>
          weights.reduce((sum, weight, f) => sum + weight * x[sample * features + f]!, offset),
        );
        const fit = fitLinear(x, y, samples, 1e-12);
        for (const [f, weight] of weights.entries()) {
          expect(Math.abs(fit.weights[f]! - weight)).toBeLessThan(tolerance);
        }
        expect(Math.abs(fit.bias[0]! - offset)).toBeLessThan(tolerance);
      }),
    );
  });

  it("shrinks to the mean where the ridge is all", () => {
    const fit = fitLinear(Float64Array.of(1, 2, 3), Float64Array.of(2, 4, 9), 3, 1e12);
    expect(fit.weights[0]).toBeCloseTo(0, 6);
    expect(fit.bias[0]).toBeCloseTo(5, 6);
  });
});

describe("choleskyInPlace", () => {
  it("factors [[4, 2], [2, 5]] into [[2, 0], [1, 2]]", () => {
    const a = Float64Array.of(4, 2, 2, 5);
    choleskyInPlace(a, 2);
    expect([a[0], a[2], a[3]]).toEqual([2, 1, 2]);
  });

  it("refuses what is not positive definite", () => {
    expect(() => choleskyInPlace(Float64Array.of(1, 2, 2, 1), 2)).toThrow(/pivot 1 is -3/);
  });
});
