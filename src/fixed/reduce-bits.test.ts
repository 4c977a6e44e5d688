import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { reduceBits } from "./reduce-bits.ts";

const widths = fc.integer({ min: 1, max: 31 });

describe("reduceBits", () => {
  it("gives the worked examples", () => {
    expect([3.99, 4, 11, 12, 244, 255].map((x) => reduceBits(x, 8, 5))).toEqual([
      0, 1, 1, 2, 31, 31,
    ]);
    expect([200, 255].map((x) => reduceBits(x, 8, 10))).toEqual([200, 255]);
  });

  it("equals shifts of integers where they fit", () => {
    for (let x = 0; x < 256; x += 1) {
      for (let to = 1; to < 8; to += 1) {
        const shifted = ((x >> (8 - to - 1)) + 1) >> 1;
        expect(reduceBits(x, 8, to)).toBe(Math.min(shifted, 2 ** to - 1));
      }
    }
  });

  it("stays within its bits and is monotone", () => {
    const values = fc.double({ min: 0, max: 2 ** 32, noNaN: true });
    fc.assert(
      fc.property(values, values, widths, widths, (a, b, from, to) => {
        const low = reduceBits(Math.min(a, b), from, to);
        const high = reduceBits(Math.max(a, b), from, to);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(low).toBeLessThanOrEqual(high);
        expect(high).toBeLessThan(2 ** to);
      }),
    );
  });

  it("leaves alone what has the width already", () => {
    fc.assert(
      fc.property(widths, fc.double({ min: 0, max: 1, noNaN: true }), (bits, share) => {
        const value = Math.floor(share * (2 ** bits - 1));
        expect(reduceBits(value, bits, bits)).toBe(value);
      }),
    );
  });

  it("refuses negative values and widths out of range", () => {
    for (const value of [-1, -0.5, -1e-9, Number.NaN]) {
      expect(() => reduceBits(value, 8, 5)).toThrow(/negative/);
    }
    expect(() => reduceBits(1, 32, 5)).toThrow(InlayError);
    expect(() => reduceBits(1, 8, 0)).toThrow(InlayError);
  });
});
