import { describe, expect, it } from "vitest";
import { type MaskedPrecision, maskedSchemes, roundKernels } from "./kernel-levels.ts";

function level(precision: MaskedPrecision, weights: readonly number[]): readonly number[] {
  return weights.map((w) => maskedSchemes[precision].level(w, 1, 1));
}

describe("the levels of a magnitude of 1", () => {
  it("are what the rows say at their ties", () => {
    expect(level("oneBit", [0, -0, 0.1, -0.1])).toEqual([1, 1, 1, -1]);
    expect(level("twoBits", [0.25, 0.2, -0.25, 9])).toEqual([1, 0, -1, 1]);
    expect(level("threeBits", [0.99, 1.9, 2, 3, -3, 9])).toEqual([0, 1, 2, 4, -4, 4]);
    expect(level("fiveBits", [0.5, -1.4, 15, -2.5])).toEqual([1, -1, 15, -3]);
  });

  it("are members of their sets", () => {
    for (const precision of ["oneBit", "twoBits", "threeBits", "fiveBits"] as const) {
      for (let w = -15; w <= 15; w += 0.125) {
        const [got = Number.NaN] = level(precision, [w]);
        expect(maskedSchemes[precision].levels).toContain(Math.abs(got));
      }
    }
  });
});

describe("roundKernels", () => {
  it("gives the worked example: the threshold is a quarter of the rounded mean", () => {
    const kernel = Float32Array.of(1, -1, 0.05, 0.15);
    expect(Array.from(roundKernels(kernel, 4, maskedSchemes.twoBits, 2))).toEqual([
      0.5, -0.5, 0, 0.5,
    ]);
  });

  it("takes every kernel by itself", () => {
    const kernels = Float32Array.of(1, 1, 4, -4);
    expect(Array.from(roundKernels(kernels, 2, maskedSchemes.oneBit, 0))).toEqual([1, 1, 4, -4]);
    expect(Array.from(roundKernels(kernels, 4, maskedSchemes.oneBit, 1))).toEqual([
      2.5, 2.5, 2.5, -2.5,
    ]);
  });
});
