import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { narrow, shiftRound, wrap } from "./shift-round.ts";

const accumulators = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({ min: -1000, max: 1000 }),
  fc.constantFrom(Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 2 ** 52 + 1, -(2 ** 52) - 1),
);

describe("shiftRound", () => {
  it("gives the worked examples", () => {
    expect([-3, -1, 0, 1, 3].map((acc) => shiftRound(acc, 1))).toEqual([-1, 0, 0, 1, 2]);
    expect([shiftRound(5, 0), shiftRound(-0, 0), shiftRound(3, -2)]).toEqual([5, 0, 12]);
  });

  it("equals BigInt's shift of all accumulators and shifts", () => {
    fc.assert(
      fc.property(accumulators, fc.integer({ min: -16, max: 31 }), (acc, shift) => {
        const wide = BigInt(acc);
        const exact =
          shift <= 0 ? wide << BigInt(-shift) : (wide + (1n << BigInt(shift - 1))) >> BigInt(shift);
        expect(BigInt(shiftRound(acc, shift))).toBe(exact);
      }),
    );
  });

  it("refuses what is no exact integer, and shifts out of range", () => {
    for (const acc of [0.5, 2 ** 53, Number.NaN]) {
      expect(() => shiftRound(acc, 1)).toThrow(InlayError);
    }
    for (const shift of [-17, 32, 1.5]) expect(() => shiftRound(1, shift)).toThrow(InlayError);
  });
});

describe("wrap and narrow", () => {
  it("give the worked examples", () => {
    expect([127, 128, -129, 256].map((acc) => wrap(acc, 8))).toEqual([127, -128, 127, 0]);
    expect([narrow(130, 8, "wrap"), narrow(130, 8, "saturate")]).toEqual([-126, 127]);
    expect([narrow(-130, 8, "saturate"), narrow(5, 8, "saturate")]).toEqual([-128, 5]);
  });

  it("wraps as BigInt does", () => {
    fc.assert(
      fc.property(accumulators, fc.integer({ min: 1, max: 53 }), (acc, bits) => {
        expect(BigInt(wrap(acc, bits))).toBe(BigInt.asIntN(bits, BigInt(acc)));
      }),
    );
  });

  it("changes nothing that fits", () => {
    fc.assert(
      fc.property(accumulators, fc.constantFrom("wrap", "saturate"), (acc, overflow) => {
        const kept = narrow(acc, 24, overflow);
        expect(narrow(kept, 24, overflow)).toBe(kept);
        expect(kept === acc).toBe(acc >= -(2 ** 23) && acc < 2 ** 23);
      }),
    );
  });

  it("refuse fractions and widths out of range", () => {
    expect(() => wrap(0.5, 8)).toThrow(InlayError);
    expect(() => narrow(0.5, 8, "saturate")).toThrow(InlayError);
    for (const bits of [0, 54, 1.5]) expect(() => wrap(1, bits)).toThrow(InlayError);
    expect(() => narrow(1, 0, "saturate")).toThrow(InlayError);
  });
});
