import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Extremes,
  mergeChannelExtremes,
  mergeExtremes,
  noExtremes,
  observeChannelExtremes,
  observeExtremes,
} from "./extremes.ts";
import { mergeMovingAverages, observeBatch, startMovingAverage } from "./moving-average.ts";

const values = fc.array(fc.float({ noDefaultInfinity: false }), { maxLength: 30 });

/** The definition, value by value. */
function slowExtremes(all: readonly number[]): Extremes {
  const finite = all.filter(Number.isFinite);
  const nans = all.filter(Number.isNaN).length;
  return {
    min: Math.min(...finite),
    max: Math.max(...finite),
    count: finite.length,
    nans,
    infinities: all.length - finite.length - nans,
  };
}
const positiveZeros = (one: Extremes): Extremes => ({
  ...one,
  min: one.min + 0,
  max: one.max + 0,
});

describe("extremes", () => {
  it("are those of all values, whatever their sign and kind", () => {
    fc.assert(
      fc.property(values, values, (a, b) => {
        const seen = observeExtremes(
          observeExtremes(noExtremes, Float32Array.from(a)),
          Float32Array.from(b),
        );
        expect(seen).toEqual(positiveZeros(slowExtremes([...a, ...b])));
      }),
    );
  });

  it("read a view into a larger buffer", () => {
    const view = Float32Array.of(-9, 1, 2, -3, 9).subarray(1, 4);
    expect(observeExtremes(noExtremes, view)).toMatchObject({ min: -3, max: 2, count: 3 });
  });

  it("stay apart per channel, over images and shards", () => {
    const first = Float32Array.of(1, 2, -3, 4, 5, 6, 7, Number.NaN);
    const channels = observeChannelExtremes([], first, [2, 2, 2]);
    expect(channels.map(({ min, max, nans }) => [min, max, nans])).toEqual([
      [1, 6, 0],
      [-3, 7, 1],
    ]);
    const more = observeChannelExtremes(channels, Float32Array.of(-1, 8), [1, 2, 1]);
    const shard = observeChannelExtremes([], Float32Array.of(-1, 8), [1, 2, 1]);
    expect(mergeChannelExtremes(channels, shard)).toEqual(more);
    expect(mergeChannelExtremes([], shard)).toBe(shard);
    expect(() => observeChannelExtremes(channels, Float32Array.of(1), [1, 1, 1])).toThrow(
      "values do not fit the channels",
    );
  });

  it("merge in any grouping", () => {
    fc.assert(
      fc.property(values, values, values, (...lists) => {
        const [a, b, c] = lists.map((list) =>
          observeExtremes(noExtremes, Float32Array.from(list)),
        ) as [Extremes, Extremes, Extremes];
        expect(mergeExtremes(mergeExtremes(a, b), c)).toEqual(
          mergeExtremes(a, mergeExtremes(c, b)),
        );
      }),
    );
  });
});

describe("a moving average", () => {
  const batch = (min: number, max: number): Extremes => ({ ...noExtremes, min, max, count: 1 });

  it("starts at the first batch and forgets slowly", () => {
    const one = observeBatch(startMovingAverage(0.75), batch(-1, 4));
    const two = observeBatch(one, batch(-5, 8));
    expect([one.min, one.max]).toEqual([-1, 4]);
    expect([two.min, two.max, two.batches]).toEqual([-2, 5, 2]);
    expect(observeBatch(two, noExtremes)).toBe(two);
  });

  it("merges by the number of batches", () => {
    const start = startMovingAverage();
    const one = observeBatch(start, batch(0, 3));
    const two = observeBatch(observeBatch(start, batch(0, 6)), batch(0, 6));
    expect(mergeMovingAverages(one, two)).toMatchObject({ min: 0, max: 5, batches: 3 });
    expect(mergeMovingAverages(start, start)).toEqual(start);
    expect(() => mergeMovingAverages(one, startMovingAverage(0.5))).toThrow("momenta differ");
    expect(() => startMovingAverage(1)).toThrow("momentum must be");
  });
});
