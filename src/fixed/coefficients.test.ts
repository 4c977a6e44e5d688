import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import {
  biasBitsOf,
  type CoefficientRule,
  type Coefficients,
  coefficientIntegers,
  quantizeCoefficients,
  type ResliceRule,
  resliceCoefficients,
} from "./coefficients.ts";
import { maskedSchemes } from "./kernel-levels.ts";
import { largestMagnitude } from "./layer-shift.ts";
import type { Precision } from "./precision.ts";

const rounded = ["dynamic", "oneBit", "twoBits", "threeBits", "fiveBits"] as const;
const taps = 9;

/** Weights below 2^5 in magnitude over many scales, zeros among them. */
const values = (count: { readonly min: number; readonly max: number }) =>
  fc
    .tuple(
      fc.array(fc.double({ min: -1, max: 1, noNaN: true }), {
        minLength: count.min,
        maxLength: count.max,
      }),
      fc.integer({ min: -14, max: 5 }),
    )
    .map(([parts, exponent]) => Float32Array.from(parts, (part) => part * 2 ** exponent));

const layers: fc.Arbitrary<Coefficients> = fc.integer({ min: 1, max: 4 }).chain((kernels) =>
  fc.record({
    weight: values({ min: kernels * taps, max: kernels * taps }),
    bias: fc.option(values({ min: 1, max: 4 }), { nil: undefined }),
    taps: fc.constant(taps),
  }),
);

const rules = fc.record({
  precision: fc.constantFrom<Exclude<Precision, "float">>(...rounded),
  parameterBits: fc.constantFrom(8, 10, 12),
  shiftEnabled: fc.constant(true),
});
const shapes = fc.record({
  bits: fc.constantFrom<ResliceRule["bits"]>(1, 2, 3, 5, 8, 12),
  parameterBits: fc.constantFrom(8, 12),
  shiftMax: fc.integer({ min: 0, max: 15 }),
});

/** Magnitudes alone: what one kernel's largest level multiplies. */
const topLevel = (precision: (typeof rounded)[number]): number =>
  precision === "dynamic" ? 1 : (maskedSchemes[precision].levels.at(-1) ?? 0);

const one = (weight: readonly number[], bias?: readonly number[]): Coefficients => ({
  weight: Float32Array.from(weight),
  bias: bias && Float32Array.from(bias),
  taps: weight.length,
});

describe("quantizeCoefficients", () => {
  it("gives the worked example", () => {
    const rule = { precision: "dynamic", parameterBits: 8, shiftEnabled: true } as const;
    const got = quantizeCoefficients(one([1, -0.51], [0.3]), rule);
    expect(got.shift).toBe(6);
    expect(coefficientIntegers(got.weight, 6)).toEqual(Int32Array.of(64, -33));
    expect(coefficientIntegers(got.bias ?? got.weight, 6)).toEqual(Int32Array.of(19));
  });

  it("keeps magnitudes and biases within their bits, on the grid of the shift", () => {
    fc.assert(
      fc.property(layers, rules, (layer, rule) => {
        const got = quantizeCoefficients(layer, rule);
        const shift = got.shift ?? Number.NaN;
        const limit = largestMagnitude(rule.parameterBits);
        fc.pre(got.maxWeight * 2 ** shift <= limit);
        const weights = coefficientIntegers(got.weight, shift);
        const top = limit * topLevel(rule.precision);
        for (const weight of weights) expect(Math.abs(weight)).toBeLessThanOrEqual(top);
        const biases = coefficientIntegers(got.bias ?? new Float32Array(), shift);
        const biasTop = largestMagnitude(biasBitsOf(rule.precision, rule.parameterBits));
        if (rule.precision === "dynamic" || shift === 0) return;
        for (const bias of biases) expect(Math.abs(bias)).toBeLessThanOrEqual(biasTop);
      }),
    );
  });

  it("is monotone within a kernel", () => {
    const both = fc.record({ rule: rules, shiftEnabled: fc.boolean() });
    fc.assert(
      fc.property(layers, both, (layer, { rule, shiftEnabled }) => {
        const got = quantizeCoefficients(layer, { ...rule, shiftEnabled });
        for (let first = 0; first < layer.weight.length; first += taps) {
          const kernel = Array.from({ length: taps }, (_, tap) => ({
            before: layer.weight[first + tap]!,
            after: got.weight[first + tap]!,
          })).toSorted((a, b) => a.before - b.before);
          kernel.slice(1).forEach(({ after }, at) => {
            expect(after).toBeGreaterThanOrEqual(kernel[at]!.after);
          });
        }
      }),
    );
  });

  it("leaves weights alone that lie on the grid, where the scheme's statistic finds them again", () => {
    const steady = fc.record({
      precision: fc.constantFrom<Precision>("float", "dynamic", "oneBit", "fiveBits"),
      parameterBits: fc.constantFrom(8, 12),
      shiftEnabled: fc.constant(true),
    });
    fc.assert(
      fc.property(layers, steady, ({ weight }, rule) => {
        const layer = { weight, bias: undefined, taps };
        const once = quantizeCoefficients(layer, rule);
        // Of weights near the epsilon, five bits do not reach their largest level.
        fc.pre(once.vanished === 0 && once.maxWeight > 1e-3 && once.maxWeight < 100);
        const kernels = weight.length / taps;
        fc.pre(
          Array.from({ length: kernels }, (_, at) =>
            Math.max(...weight.subarray(at * taps, (at + 1) * taps).map(Math.abs)),
          ).every((max) => max > 1e-3),
        );
        const twice = quantizeCoefficients({ ...layer, weight: once.weight }, rule);
        expect(twice.weight.map((w) => w + 0)).toEqual(once.weight.map((w) => w + 0));
      }),
    );
  });

  it("has schemes whose mean sinks with every zero", () => {
    const rule = { precision: "twoBits", parameterBits: 12, shiftEnabled: true } as const;
    const once = quantizeCoefficients(one([1, 1, 0, 0]), rule);
    expect(Array.from(once.weight)).toEqual([0.5, 0.5, 0, 0]);
    expect(
      Array.from(quantizeCoefficients({ ...one([]), weight: once.weight, taps: 4 }, rule).weight),
    ).toEqual([0.25, 0.25, 0, 0]);
  });

  it("leaves the bias and the magnitudes as they are without a shift", () => {
    const rule = { precision: "oneBit", parameterBits: 12, shiftEnabled: false } as const;
    const got = quantizeCoefficients(one([0.5, -0.25], [0.3]), rule);
    expect(got.shift).toBeUndefined();
    expect(Array.from(got.weight)).toEqual([0.375001, -0.375001].map(Math.fround));
    expect(Array.from(got.bias ?? [])).toEqual([Math.fround(0.3)]);
  });

  it("defines weights that are all zero", () => {
    for (const precision of rounded) {
      const layer = one([0, -0, 0], [0.3]);
      const shifted = { precision, parameterBits: 8, shiftEnabled: true };
      const got = quantizeCoefficients(layer, shifted);
      expect(got).toMatchObject({ shift: 15, allZero: true, vanished: 0 });
      expect(Array.from(got.weight, Math.abs)).toEqual([0, 0, 0]);
      expect(Array.from(got.bias ?? [])).toEqual([Math.round(0.3 * 2 ** 15) / 2 ** 15]);
    }
    const free: CoefficientRule = { precision: "dynamic", parameterBits: 8, shiftEnabled: false };
    expect(Array.from(quantizeCoefficients(one([0, 0]), free).weight)).toEqual([0, 0]);
  });

  it("lets a bias keep its bits beside weights that are all zero", () => {
    const rule: CoefficientRule = { precision: "oneBit", parameterBits: 12, shiftEnabled: true };
    expect(quantizeCoefficients(one([0], [255]), rule).shift).toBe(3);
  });

  it("counts kernels that vanish beside a large bias", () => {
    const rule = { precision: "threeBits", parameterBits: 12, shiftEnabled: true } as const;
    const layer = {
      weight: Float32Array.of(0.01, 4, 0, -0.02),
      bias: Float32Array.of(60000),
      taps: 1,
    };
    expect(quantizeCoefficients(layer, rule)).toMatchObject({ shift: 1, vanished: 2 });
  });

  it("refuses counts that do not fit, widths out of range and numbers that are none", () => {
    const rule: CoefficientRule = { precision: "oneBit", parameterBits: 12, shiftEnabled: true };
    const refused = (layer: Coefficients, changed: Partial<CoefficientRule> = {}) =>
      expect(() => quantizeCoefficients(layer, { ...rule, ...changed }));
    refused({ ...one([1, 2, 3]), taps: 2 }).toThrow(InlayError);
    refused({ ...one([1]), taps: 0 }).toThrow(InlayError);
    refused(one([1]), { parameterBits: 1 }).toThrow(/2 to 31/);
    refused({ ...one([1, Number.NaN]), node: 'quantConv "a"' }).toThrow(/quantConv "a".*NaN at 1/);
    refused(one([1], [Number.POSITIVE_INFINITY])).toThrow(/bias is not finite/);
  });
});

describe("resliceCoefficients", () => {
  it("gives the worked example: what a large bias does to small kernels", () => {
    const rule = { bits: 1, parameterBits: 12, shiftMax: 13 } as const;
    expect(resliceCoefficients(one([0.01, -0.01], [255.875]), rule)).toMatchObject({
      ...{ shift: 3, weightShift: 13, biasShift: 3, vanished: 1, allZero: false },
      ...{ maxWeight: Math.fround(0.01), maxBias: 255.875 },
    });
  });

  it("gives the same again where the result lies on the grid already", () => {
    fc.assert(
      fc.property(layers, shapes, ({ bias }, shape) => {
        // One tap per kernel and one bit: a kernel is its own mean.
        const layer = { weight: bias ?? Float32Array.of(0.5), bias, taps: 1 };
        const rule = { ...shape, bits: shape.bits < 8 ? 1 : shape.bits } as const;
        const once = resliceCoefficients(layer, rule);
        fc.pre(once.shift > 0);
        const twice = resliceCoefficients({ ...layer, ...once }, rule);
        expect(twice.shift).toBeGreaterThanOrEqual(once.shift);
        expect(twice.weight.map((w) => w + 0)).toEqual(once.weight.map((w) => w + 0));
        expect(twice.bias?.map((b) => b + 0)).toEqual(once.bias?.map((b) => b + 0));
      }),
    );
  });

  it("takes a chip's own bits of a bias", () => {
    const rule = { bits: 1, parameterBits: 12, shiftMax: 13 } as const;
    expect(resliceCoefficients(one([1], [1]), rule).shift).toBe(10);
    expect(resliceCoefficients(one([1], [1]), { ...rule, biasBits: 8 }).shift).toBe(6);
  });

  it("refuses a largest shift out of range", () => {
    const rule = { bits: 1, parameterBits: 12, shiftMax: -1 } as const;
    expect(() => resliceCoefficients(one([1]), rule)).toThrow(InlayError);
  });
});

describe("coefficientIntegers", () => {
  it("refuses what lies on no grid or needs more than 32 bits", () => {
    expect(coefficientIntegers(Float32Array.of(0.25, -0, -3), 2)).toEqual(Int32Array.of(1, 0, -12));
    expect(() => coefficientIntegers(Float32Array.of(1, 0.1), 6)).toThrow(/at 1/);
    expect(() => coefficientIntegers(Float32Array.of(2 ** 31), 0)).toThrow(InlayError);
    expect(() => coefficientIntegers(Float32Array.of(Number.NaN), 0)).toThrow(InlayError);
  });
});
