import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { layerShift, roundByHalf, roundToGrid } from "./layer-shift.ts";
import { roundHalfAway } from "./rounding.ts";

const limits = { parameterBits: 12, biasBits: 12, shiftMax: 13 };

describe("layerShift", () => {
  it("gives the worked examples", () => {
    expect(layerShift(0.5, 1, limits, "layer")).toEqual({
      shift: 10,
      weightShift: 11,
      biasShift: 10,
    });
    expect(layerShift(2047, undefined, limits, "layer").shift).toBe(0);
    expect(layerShift(1e6, undefined, limits, "converter").shift).toBe(0);
    expect(layerShift(0, undefined, limits, "layer").shift).toBe(13);
  });

  it("differs between layer and converter where a bias is the largest that fits", () => {
    const bias = 2047 / 2 ** 5;
    expect(layerShift(0.5, bias, limits, "converter").shift).toBe(5);
    expect(layerShift(0.5, bias, limits, "layer").shift).toBe(4);
  });

  it("is the largest at which the weights fit", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -40, max: 40 }),
        fc.double({ min: 1, max: 2, noNaN: true }),
        (exponent, mantissa) => {
          const max = Math.fround(mantissa * 2 ** exponent);
          const { shift } = layerShift(max, undefined, limits, "layer");
          if (shift > 0) expect(max * 2 ** shift).toBeLessThanOrEqual(2047);
          if (shift < 13) expect(max * 2 ** (shift + 1)).toBeGreaterThan(2047);
        },
      ),
    );
  });
});

describe("roundByHalf", () => {
  it("rounds half away from zero, but for the double below a half", () => {
    expect([-1.5, -0.5, -0.3, -0, 0.5, 1.5].map(roundByHalf)).toEqual([-2, -1, -0, 0, 1, 2]);
    expect([roundByHalf(0.49999999999999994), roundHalfAway(0.49999999999999994)]).toEqual([1, 0]);
  });

  it("is what roundHalfAway gives for float32 numbers", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (x) => {
        expect(roundByHalf(x) + 0).toBe(roundHalfAway(x) + 0);
      }),
    );
  });
});

describe("roundToGrid", () => {
  it("gives the worked examples and is idempotent", () => {
    expect([0.3, 0.375, -0.375].map((x) => roundToGrid(x, 2))).toEqual([0.25, 0.5, -0.5]);
    fc.assert(
      fc.property(
        fc.float({ min: -1000, max: 1000, noNaN: true }),
        fc.integer({ min: 0, max: 15 }),
        (x, shift) => {
          const once = roundToGrid(x, shift);
          expect(Math.abs(once - x)).toBeLessThanOrEqual(2 ** -(shift + 1));
          expect(roundToGrid(once, shift) + 0).toBe(once + 0);
        },
      ),
    );
  });
});
