import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { resliceCoefficients } from "../../../fixed/coefficients.ts";
import { clipWeights } from "./clip-weights.ts";

const withOutlier = (count: number): Float32Array =>
  Float32Array.of(1.1, ...new Array<number>(count).fill(0.307));

const errorOf = (weight: Float32Array, limited: Float32Array, bits: 8 | 12): number => {
  const rule = { bits, parameterBits: bits, shiftMax: 13 } as const;
  const rounded = resliceCoefficients({ weight: limited, bias: undefined, taps: 1 }, rule).weight;
  return rounded.reduce((sum, value, at) => sum + (value - weight[at]!) ** 2, 0);
};

describe("clipWeights", () => {
  it("limits an outlier where the others are worth it", () => {
    expect(clipWeights(withOutlier(400), 8, 13).clipped).toBe(0);
    const { weight, clipped } = clipWeights(withOutlier(1000), 8, 13);
    expect(clipped).toBe(1);
    expect(weight[0]).toBe(Math.fround(127 / 128));
  });

  it("leaves weights of zeros and those at the largest shift alone", () => {
    const zeros = new Float32Array(4);
    expect(clipWeights(zeros, 8, 13)).toEqual({ weight: zeros, clipped: 0 });
    const tiny = Float32Array.of(1e-5, 2e-5);
    expect(clipWeights(tiny, 8, 13).weight).toBe(tiny);
  });

  it("never makes the rounded weights worse", () => {
    const weights = fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(weights, fc.constantFrom<8 | 12>(8, 12), (values, bits) => {
        const weight = Float32Array.from(values);
        const { weight: limited } = clipWeights(weight, bits, 13);
        expect(errorOf(weight, limited, bits)).toBeLessThanOrEqual(
          errorOf(weight, weight, bits) * (1 + 1e-6),
        );
      }),
    );
  });
});
