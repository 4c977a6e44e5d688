import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  binsPerSide,
  binWidth,
  emptyHistogram,
  type Histogram,
  HistogramCounter,
  histogramTotal,
  mergeHistograms,
  observeHistogram,
} from "./histogram.ts";

/** Powers of two apart, but never so close to 0 that float64 rounds a negative value to bin 0. */
const value = fc
  .tuple(fc.float({ min: -4, max: 4, noNaN: true }), fc.integer({ min: -8, max: 8 }))
  .map(([mantissa, exponent]) => Math.fround(mantissa * 2 ** exponent))
  .map((number) => (Math.abs(number) < 2 ** -20 ? 0 : number));
const batch = fc.array(value, { maxLength: 40 }).map((values) => Float32Array.from(values));
const histogramOf = (...batches: readonly Float32Array[]): Histogram =>
  batches.reduce(observeHistogram, emptyHistogram());

describe("a histogram", () => {
  it("does not depend on order, batches or shards", () => {
    fc.assert(
      fc.property(batch, batch, batch, (a, b, c) => {
        const all = histogramOf(Float32Array.of(...c, ...b, ...a));
        expect(histogramOf(a, b, c)).toEqual(all);
        const [x, y, z] = [a, b, c].map((values) => histogramOf(values)) as [
          Histogram,
          Histogram,
          Histogram,
        ];
        expect(mergeHistograms(mergeHistograms(x, y), z)).toEqual(all);
        expect(mergeHistograms(x, mergeHistograms(y, z))).toEqual(all);
        expect(mergeHistograms(z, mergeHistograms(y, x))).toEqual(all);
      }),
    );
  });

  it("has each value in the bin that its definition says", () => {
    fc.assert(
      fc.property(batch, (values) => {
        const histogram = histogramOf(values);
        const expected = new Float64Array(2 * binsPerSide);
        for (const one of values) {
          expected[Math.floor(one / binWidth(histogram)) + binsPerSide]! += 1;
        }
        expect(histogram.counts).toEqual(expected);
      }),
    );
  });

  it("counts a large batch as it does small ones", () => {
    const values = Float32Array.from({ length: 40_003 }, (_, at) =>
      at % 9999 === 5 ? Number.NaN : Math.sin(at) * (1 + at / 500),
    );
    const parts = Array.from({ length: 5 }, (_, at) => values.subarray(at * 8001, (at + 1) * 8001));
    expect(histogramOf(values)).toEqual(histogramOf(...parts));
  });

  it("has the narrowest range that holds all values", () => {
    const exponents = (...values: readonly number[]): number =>
      histogramOf(Float32Array.from(values)).exponent;
    expect(exponents(1)).toBe(1);
    expect(exponents(-1)).toBe(0);
    expect(exponents(0.999, -1)).toBe(0);
    expect(exponents(-1.001)).toBe(1);
    expect(exponents(3e38)).toBe(128);
    expect(exponents(0, 1e-44)).toBe(-100);
  });

  it("counts what is no number apart", () => {
    const odd = [Number.NaN, Infinity, -Infinity];
    const histogram = histogramOf(Float32Array.of(1, ...odd, 2, 3, ...odd, 4, 5, 6, 7, ...odd));
    expect([histogramTotal(histogram), histogram.skipped]).toEqual([7, 9]);
  });

  it("leaves the histogram before it as it was", () => {
    const before = histogramOf(Float32Array.of(1));
    observeHistogram(before, Float32Array.of(2, 3));
    expect(before).toEqual(histogramOf(Float32Array.of(1)));
  });
});

describe("HistogramCounter", () => {
  it("counts in place what single batches give, and later batches leave results alone", () => {
    const size = fc.constantFrom(0, 3, 1000, 17_000);
    const batch = fc.tuple(size, fc.integer({ min: -20, max: 20 }), fc.boolean());
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 5 }), (batches) => {
        const counter = new HistogramCounter();
        let expected = emptyHistogram();
        const results = batches.map(([length, exponent, hasNan]) => {
          const values = Float32Array.from(
            { length },
            (_, at) => (((at * 7919) % 1013) - 500) * 2 ** exponent,
          );
          if (hasNan && length > 0) values[length >> 1] = Number.NaN;
          counter.add(values);
          expected = observeHistogram(expected, values);
          return { found: counter.histogram(), expected };
        });
        for (const result of results) expect(result.found).toEqual(result.expected);
      }),
      { numRuns: 25 },
    );
  });
});
