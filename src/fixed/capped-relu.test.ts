import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { cappedRelu, slopedRelu } from "./capped-relu.ts";

const caps = fc
  .tuple(fc.integer({ min: -20, max: 20 }), fc.double({ min: 1, max: 2, noNaN: true }))
  .map(([exponent, mantissa]) => Math.fround(mantissa * 2 ** exponent));
const bits = fc.integer({ min: 1, max: 16 });
/** Share of the cap, outside too. */
const shares = fc.double({ min: -1, max: 2, noNaN: true });

describe("cappedRelu", () => {
  it("gives the worked examples", () => {
    expect([-1, 0.4, 0.5, 30.6, 99].map((x) => cappedRelu(x, 31, 5))).toEqual([0, 0, 1, 31, 31]);
    expect(cappedRelu(0.5, 1, 1)).toBe(1);
  });

  it("stays within 0 and the cap, half a step from x where x does", () => {
    fc.assert(
      fc.property(caps, bits, shares, (cap, width, share) => {
        const x = Math.fround(cap * share);
        const y = cappedRelu(x, cap, width);
        expect(y).toBeGreaterThanOrEqual(0);
        expect(y).toBeLessThanOrEqual(cap);
        const nearest = Math.min(Math.max(x, 0), cap);
        const step = cap / (2 ** width - 1);
        expect(Math.abs(y - nearest)).toBeLessThanOrEqual(step * 0.52);
      }),
    );
  });

  it("gives every level again", () => {
    fc.assert(
      fc.property(caps, bits, shares, (cap, width, share) => {
        const once = cappedRelu(cap * share, cap, width);
        expect(cappedRelu(once, cap, width)).toBe(once);
      }),
    );
  });

  it("is monotone", () => {
    fc.assert(
      fc.property(caps, bits, shares, shares, (cap, width, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)].map((share) =>
          cappedRelu(cap * share, cap, width),
        );
        expect(low).toBeLessThanOrEqual(high ?? Number.NaN);
      }),
    );
  });

  it("refuses caps of 0 and below, endless ones, and widths out of range", () => {
    for (const cap of [0, -0, -1, Number.NaN, Number.POSITIVE_INFINITY, 3e38]) {
      expect(() => cappedRelu(1, cap, 5)).toThrow(InlayError);
    }
    for (const width of [0, 32, 2.5]) expect(() => cappedRelu(1, 1, width)).toThrow(InlayError);
  });
});

describe("slopedRelu", () => {
  it("gives the worked examples, signs of zero included", () => {
    expect([2, -2].map((x) => slopedRelu(x, 0.5))).toEqual([2, -1]);
    expect([-2, -0, 0].map((x) => slopedRelu(x, 0))).toEqual([0, -0, 0]);
  });
});
