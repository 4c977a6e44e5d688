import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InlayError } from "../error.ts";
import { accumulatorBound, type InputRange } from "./accumulator.ts";

const few = fc.array(fc.integer({ min: -128, max: 127 }), { minLength: 1, maxLength: 5 });
const ranges = fc
  .tuple(fc.integer({ min: -255, max: 255 }), fc.integer({ min: -255, max: 255 }))
  .map(([a, b]): InputRange => ({ low: Math.min(a, b), high: Math.max(a, b) }));

/** All totals and partial sums with every input at one of its ends (the extremes of a linear form). */
function bruteForce(weights: readonly number[], bias: number, range: InputRange) {
  const totals: number[] = [];
  const partials: number[] = [0];
  const corners = 2 ** weights.length;
  for (let corner = 0; corner < corners; corner += 1) {
    const terms = weights.map(
      (weight, at) => weight * ((corner >> at) & 1 ? range.high : range.low),
    );
    terms.push(bias);
    totals.push(terms.reduce((a, b) => a + b, 0));
    for (let subset = 0; subset < 2 ** terms.length; subset += 1) {
      partials.push(terms.reduce((sum, term, at) => ((subset >> at) & 1 ? sum + term : sum), 0));
    }
  }
  return {
    min: Math.min(...totals),
    max: Math.max(...totals),
    partialMin: Math.min(...partials),
    partialMax: Math.max(...partials),
  };
}

describe("accumulatorBound", () => {
  it("gives the worked example", () => {
    expect(accumulatorBound(Int8Array.of(2, -3), Int32Array.of(1), { low: -1, high: 4 })).toEqual([
      { min: -13, max: 12, partialMin: -14, partialMax: 12 },
    ]);
  });

  it("equals brute force over all corners and subsets", () => {
    fc.assert(
      fc.property(few, fc.integer({ min: -1000, max: 1000 }), ranges, (weights, bias, range) => {
        const [bound] = accumulatorBound(weights, [bias], range);
        expect({ ...bound }).toEqual(
          Object.fromEntries(
            Object.entries(bruteForce(weights, bias, range)).map(([key, sum]) => [key, sum]),
          ),
        );
      }),
      { numRuns: 60 },
    );
  });

  it("treats channels apart", () => {
    const bounds = accumulatorBound([1, 2, -1, -2], [0, 10], { low: 0, high: 255 });
    expect(bounds.map(({ min, max }) => [min, max])).toEqual([
      [0, 765],
      [-755, 10],
    ]);
  });

  it("takes a layer without weights or without channels", () => {
    expect(accumulatorBound([], [5], { low: 0, high: 1 })).toEqual([
      { min: 5, max: 5, partialMin: 0, partialMax: 5 },
    ]);
    expect(accumulatorBound([], [], { low: 0, high: 1 })).toEqual([]);
  });

  it("refuses counts that do not fit and empty ranges", () => {
    expect(() => accumulatorBound([1, 2, 3], [0, 0], { low: 0, high: 1 })).toThrow(InlayError);
    expect(() => accumulatorBound([1], [], { low: 0, high: 1 })).toThrow(InlayError);
    expect(() => accumulatorBound([1], [0], { low: 1, high: 0 })).toThrow(InlayError);
  });
});
