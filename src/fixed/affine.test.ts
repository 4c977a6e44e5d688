import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AffineParams, dequantizeValue, quantizeValue } from "./affine.ts";
import { integerFormat, type NumberFormat, numberFormats } from "./number-format.ts";
import type { Rounding } from "./rounding.ts";

const { int8, uint8, int32 } = numberFormats;

/** Bits x signed x rounding. */
const formats: fc.Arbitrary<NumberFormat> = fc
  .record({
    bits: fc.integer({ min: 2, max: 16 }),
    signed: fc.boolean(),
    rounding: fc.constantFrom<Rounding>("halfEven", "halfAway", "halfUp"),
  })
  .map(({ bits, signed, rounding }) =>
    integerFormat("any", bits, signed, { rounding, scaleRule: "free", unit: "tensor" }),
  );
const scales = fc
  .tuple(fc.integer({ min: -40, max: 40 }), fc.double({ min: 1, max: 2, noNaN: true }))
  .map(([exponent, mantissa]) => Math.fround(mantissa * 2 ** exponent));
const cases = fc
  .tuple(formats, scales, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([format, scale, place]): [NumberFormat, AffineParams] => {
    const zeroPoint = format.qMin + Math.floor(place * (format.qMax - format.qMin));
    return [format, { scale, zeroPoint }];
  });
const reals = fc.oneof(fc.float({ noNaN: true }), fc.float({ min: -1000, max: 1000, noNaN: true }));

describe("the table", () => {
  it("has the ranges of the machine's integers", () => {
    expect([int8.qMin, int8.qMax]).toEqual([-128, 127]);
    expect([uint8.qMin, uint8.qMax]).toEqual([0, 255]);
    expect([int32.qMin, int32.qMax]).toEqual([-(2 ** 31), 2 ** 31 - 1]);
  });
});

describe("quantizeValue", () => {
  it("rounds ties to even and saturates at both ends", () => {
    const quantized = [-200, -128.5, -1.5, -0.5, 0.5, 1.5, 127.5, 200].map((x) =>
      quantizeValue(x, { scale: 1, zeroPoint: 0 }, int8),
    );
    expect(quantized).toEqual([-128, -128, -2, 0, 0, 2, 127, 127]);
  });
  it("adds the zero point after rounding", () => {
    const quantized = [-1e9, -5.25, -0.25, 0, 0.25, 0.75, 1, 122.5, 1e9].map((x) =>
      quantizeValue(x, { scale: 0.5, zeroPoint: 10 }, uint8),
    );
    expect(quantized).toEqual([0, 0, 10, 10, 10, 12, 12, 255, 255]);
  });
  it("divides in float32, where the quotient may land on a tie", () => {
    // In double 0.15 / 0.1f is 1.4999999776...; as float32 operands and quotient it is 1.5.
    expect(quantizeValue(0.15, { scale: Math.fround(0.1), zeroPoint: 0 }, int8)).toBe(2);
  });

  it("stays in range, is monotone, and zero gives the zero point", () => {
    fc.assert(
      fc.property(cases, reals, reals, ([format, params], a, b) => {
        const low = quantizeValue(Math.min(a, b), params, format);
        const high = quantizeValue(Math.max(a, b), params, format);
        expect(low).toBeGreaterThanOrEqual(format.qMin);
        expect(high).toBeLessThanOrEqual(format.qMax);
        expect(low).toBeLessThanOrEqual(high);
        expect(quantizeValue(0, params, format)).toBe(params.zeroPoint);
      }),
    );
  });

  it("gives every integer back (round trip), so that it is idempotent", () => {
    fc.assert(
      fc.property(cases, fc.double({ min: 0, max: 1, noNaN: true }), ([format, params], place) => {
        const q = format.qMin + Math.floor(place * (format.qMax - format.qMin));
        expect(quantizeValue(dequantizeValue(q, params), params, format)).toBe(q);
      }),
    );
  });

  it("is at most half a step off inside the range", () => {
    fc.assert(
      fc.property(cases, fc.double({ min: 0, max: 1, noNaN: true }), ([format, params], place) => {
        const [low, high] = [format.qMin, format.qMax].map((q) => dequantizeValue(q, params));
        const x = Math.fround(low! + place * (high! - low!));
        const error = dequantizeValue(quantizeValue(x, params, format), params) - x;
        const roundOff = Math.max(Math.abs(low!), Math.abs(high!)) * 2 ** -22;
        expect(Math.abs(error)).toBeLessThanOrEqual(params.scale / 2 + roundOff);
      }),
    );
  });
});

it("dequantizeValue maps the worked example", () => {
  const params = { scale: 0.5, zeroPoint: 10 };
  expect([0, 10, 255].map((q) => dequantizeValue(q, params))).toEqual([-5, 0, 122.5]);
});
