import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { type MaskedPrecision, maskedSchemes } from "./kernel-levels.ts";
import { joinMagnitudes, splitMagnitudes } from "./kernel-magnitudes.ts";

const taps = 4;
const precisions = fc.constantFrom<MaskedPrecision>("oneBit", "twoBits", "threeBits", "fiveBits");

describe("splitMagnitudes", () => {
  it("gives the worked examples", () => {
    expect(splitMagnitudes(Int32Array.of(8, -2, 0, 4), 4, "threeBits")).toEqual({
      magnitudes: Int32Array.of(2),
      levels: Int8Array.of(4, -1, 0, 2),
    });
    expect(splitMagnitudes(Int32Array.of(6, 2), 2, "threeBits")).toBeUndefined();
    expect(splitMagnitudes(Int32Array.of(3, -3, 0, 0), 2, "oneBit")).toEqual({
      magnitudes: Int32Array.of(3, 0),
      levels: Int8Array.of(1, -1, 1, 1),
    });
  });

  it("finds products of the precision's levels, and its parts give them again", () => {
    const kernel = (precision: MaskedPrecision) =>
      fc.record({
        magnitude: fc.integer({ min: 0, max: 2047 }),
        levels: fc.array(
          fc
            .tuple(fc.constantFrom(...maskedSchemes[precision].levels), fc.constantFrom(1, -1))
            .map(([level, sign]) => level * sign),
          { minLength: taps, maxLength: taps },
        ),
      });
    const cases = precisions.chain((precision) =>
      fc.tuple(fc.constant(precision), fc.array(kernel(precision), { maxLength: 4 })),
    );
    fc.assert(
      fc.property(cases, ([precision, kernels]) => {
        const integers = Int32Array.from(
          kernels.flatMap(({ magnitude, levels }) => levels.map((level) => level * magnitude)),
        );
        const split = splitMagnitudes(integers, taps, precision);
        expect(split && joinMagnitudes(split, taps)).toEqual(integers);
        for (const level of split?.levels ?? []) {
          expect(maskedSchemes[precision].levels).toContain(Math.abs(level));
        }
      }),
    );
  });

  it("is exact or undefined for any integers", () => {
    const any = fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(any, precisions, (values, precision) => {
        const integers = Int32Array.from(values);
        const split = splitMagnitudes(integers, 2, precision);
        if (split !== undefined) expect(joinMagnitudes(split, 2)).toEqual(integers);
        else expect(fits(values, precision)).toBe(false);
      }),
    );
  });

  it("refuses counts that do not fit and products of more than 32 bits", () => {
    expect(() => splitMagnitudes(Int32Array.of(1, 1, 1), 2, "oneBit")).toThrow(InlayError);
    const split = { magnitudes: Int32Array.of(2 ** 30), levels: Int8Array.of(-4) };
    expect(() => joinMagnitudes(split, 1)).toThrow(/32 bits/);
    expect(() => joinMagnitudes({ ...split, levels: Int8Array.of(1, 1) }, 1)).toThrow(InlayError);
    expect(splitMagnitudes(Int32Array.of(-(2 ** 31)), 1, "oneBit")).toBeUndefined();
  });
});

/** By trying every magnitude. */
function fits(values: readonly number[], precision: MaskedPrecision): boolean {
  const { levels } = maskedSchemes[precision];
  return [values.slice(0, 2), values.slice(2)].every(
    (kernel) =>
      kernel.every((value) => value === 0) ||
      Array.from({ length: 40 }, (_, at) => at + 1).some((magnitude) =>
        kernel.every((value) => levels.includes(Math.abs(value) / magnitude)),
      ),
  );
}
