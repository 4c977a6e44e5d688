import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { dequantizeValue, quantizeValue } from "./affine.ts";
import { ceilLog2, chooseAffine, chooseSymmetric, minScale } from "./choose-scale.ts";
import { integerFormat, type NumberFormat, numberFormats } from "./number-format.ts";

const { int8, uint8 } = numberFormats;
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const usual = fc.float({ min: -1000, max: 1000, noNaN: true });
const formats: fc.Arbitrary<NumberFormat> = fc
  .tuple(fc.integer({ min: 2, max: 16 }), fc.boolean())
  .map(([bits, signed]) =>
    integerFormat("any", bits, signed, {
      rounding: "halfEven",
      scaleRule: "free",
      unit: "tensor",
    }),
  );
const options = fc.record({ symmetric: fc.boolean(), powerOfTwo: fc.boolean() });
const ranges = fc
  .oneof(fc.tuple(finite, finite), fc.tuple(usual, usual))
  .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);

describe("worked examples", () => {
  it("affine", () => {
    expect(chooseAffine(-1, 1.55, uint8)).toEqual({ scale: Math.fround(0.01), zeroPoint: 100 });
    expect(chooseAffine(0, 255, uint8)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(chooseAffine(3, 6, uint8)).toEqual({ scale: Math.fround(6 / 255), zeroPoint: 0 });
    expect(chooseAffine(-6, -3, uint8)).toEqual({ scale: Math.fround(6 / 255), zeroPoint: 255 });
    expect(chooseAffine(0, 255, int8)).toEqual({ scale: 1, zeroPoint: -128 });
  });
  it("symmetric", () => {
    const symmetric = { symmetric: true };
    expect(chooseAffine(-1, 1.27, int8, symmetric)).toEqual({
      scale: Math.fround(0.01),
      zeroPoint: 0,
    });
    expect(chooseAffine(-1, 1, uint8, symmetric)).toEqual({
      scale: Math.fround(1 / 127),
      zeroPoint: 128,
    });
    expect(chooseAffine(0, 255, uint8, symmetric)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(chooseSymmetric(1.27, int8)).toEqual({ scale: Math.fround(0.01), zeroPoint: 0 });
  });
  it("powers of two", () => {
    const scaleOf = (maxAbs: number): number =>
      chooseSymmetric(maxAbs, int8, { powerOfTwo: true }).scale;
    expect([1.27, 127, 127.00001, 128].map(scaleOf)).toEqual([2 ** -6, 1, 2, 2]);
    const format = { ...int8, scaleRule: "powerOfTwo" as const };
    expect(chooseSymmetric(1.27, format).scale).toBe(2 ** -6);
  });
  it("an all-zero range", () => {
    expect(chooseAffine(0, 0, uint8)).toEqual({ scale: 1, zeroPoint: 0 });
    expect(chooseAffine(-0, 0, int8)).toEqual({ scale: 1, zeroPoint: -128 });
    expect(chooseSymmetric(0, int8)).toEqual({ scale: 1, zeroPoint: 0 });
  });
  it("denormal and huge ranges keep a normal, finite scale", () => {
    expect(chooseAffine(0, Number.MIN_VALUE, uint8).scale).toBe(minScale);
    expect(chooseSymmetric(2 ** -149, int8, { powerOfTwo: true }).scale).toBe(minScale);
    const huge = chooseAffine(-Number.MAX_VALUE, Number.MAX_VALUE, uint8);
    expect(Number.isFinite(huge.scale)).toBe(true);
    expect(chooseSymmetric(Number.MAX_VALUE, int8, { powerOfTwo: true }).scale).toBe(2 ** 127);
  });
  it("refuses what is no range", () => {
    for (const [min, max] of [
      [NaN, 1],
      [0, Infinity],
      [-Infinity, 0],
      [2, 1],
    ] as const) {
      expect(() => chooseAffine(min, max, uint8)).toThrow(InlayError);
    }
    expect(() => chooseSymmetric(-1, int8)).toThrow(InlayError);
    expect(() => chooseSymmetric(NaN, int8)).toThrow(InlayError);
  });
});

describe("every choice", () => {
  it("has a float32 scale in the normal range and an integer zero point in the format's", () => {
    fc.assert(
      fc.property(ranges, formats, options, ([min, max], format, chosen) => {
        const { scale, zeroPoint } = chooseAffine(min, max, format, chosen);
        expect(Math.fround(scale)).toBe(scale);
        expect(scale).toBeGreaterThanOrEqual(minScale);
        expect(Number.isFinite(scale)).toBe(true);
        expect(Number.isInteger(zeroPoint) && !Object.is(zeroPoint, -0)).toBe(true);
        expect(zeroPoint).toBeGreaterThanOrEqual(format.qMin);
        expect(zeroPoint).toBeLessThanOrEqual(format.qMax);
        if (chosen.powerOfTwo) expect(2 ** Math.round(Math.log2(scale))).toBe(scale);
      }),
    );
  });

  it("represents zero exactly, and the range's ends within one step", () => {
    const tame = fc
      .tuple(usual, usual)
      .map(([a, b]): [number, number] => [Math.min(a, b), Math.max(a, b)]);
    fc.assert(
      fc.property(tame, formats, options, ([min, max], format, chosen) => {
        fc.pre(min >= 0 || format.signed || !chosen.symmetric || format.bits > 2);
        const params = chooseAffine(min, max, format, chosen);
        const through = (x: number): number =>
          dequantizeValue(quantizeValue(x, params, format), params);
        expect(through(0)).toBe(0);
        expect(Math.abs(through(min) - min)).toBeLessThanOrEqual(params.scale * 1.01);
        expect(Math.abs(through(max) - max)).toBeLessThanOrEqual(params.scale * 1.01);
      }),
    );
  });

  it("grows with the range", () => {
    fc.assert(
      fc.property(
        ranges,
        fc.double({ min: 1, max: 100, noNaN: true }),
        formats,
        options,
        (range, grow, format, chosen) => {
          const [min, max] = range;
          const wider = [
            Math.max(min < 0 ? min * grow : min, -1e300),
            Math.min(max > 0 ? max * grow : max, 1e300),
          ];
          fc.pre(Math.abs(min) < 1e290 && Math.abs(max) < 1e290);
          // An all-zero range is the one exception: it gets scale 1.
          fc.pre(min !== 0 || max !== 0);
          const narrow = chooseAffine(min, max, format, chosen).scale;
          expect(chooseAffine(wider[0]!, wider[1]!, format, chosen).scale).toBeGreaterThanOrEqual(
            narrow,
          );
        },
      ),
    );
  });
});

it("ceilLog2 is exact around powers of two", () => {
  for (let exponent = -126; exponent <= 127; exponent += 1) {
    const power = 2 ** exponent;
    expect(ceilLog2(power)).toBe(exponent);
    expect(ceilLog2(power * (1 + 2 ** -52))).toBe(exponent + 1);
    expect(ceilLog2(power * (1 - 2 ** -53))).toBe(exponent);
  }
});
