import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, fromState, shuffle } from "./random.ts";

describe("random", () => {
  it("is xoshiro128**: the published outputs for the state 1, 2, 3, 4", () => {
    const random = fromState([1, 2, 3, 4]);
    const first = Array.from({ length: 4 }, () => random.uint32());
    expect(first).toEqual([11520, 0, 5927040, 70819200]);
  });

  it("repeats for the same seeds and differs for others", () => {
    const take = (...seeds: number[]): number[] => {
      const random = createRandom(...seeds);
      return Array.from({ length: 8 }, () => random.uint32());
    };
    expect(take(7)).toEqual(take(7));
    expect(take(7)).not.toEqual(take(8));
    expect(take(7, 0)).not.toEqual(take(7, 1));
    expect(take(-1)).toEqual(take(2 ** 32 - 1));
    expect(() => createRandom(0.5)).toThrow("integer");
  });

  it("draws every value below a bound about equally often", () => {
    const random = createRandom(1);
    const counts = new Array<number>(7).fill(0);
    for (let draw = 0; draw < 70_000; draw++) counts[random.below(7)]! += 1;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(() => random.below(0)).toThrow("bound");
  });

  it("gives normal samples with mean 0 and deviation 1", () => {
    const random = createRandom(3);
    const samples = Array.from({ length: 20_000 }, () => random.normal());
    const mean = samples.reduce((sum, value) => sum + value, 0) / samples.length;
    const variance = samples.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples.length;
    expect(Math.abs(mean)).toBeLessThan(0.03);
    expect(Math.abs(variance - 1)).toBeLessThan(0.05);
  });

  it("shuffles into a permutation and leaves its argument alone", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const before = items.slice();
        const out = shuffle(items, createRandom(seed));
        expect(items).toEqual(before);
        expect(out.toSorted((a, b) => a - b)).toEqual(items.toSorted((a, b) => a - b));
      }),
    );
    const many = Array.from({ length: 100 }, (_, index) => index);
    expect(shuffle(many, createRandom(5))).not.toEqual(many);
  });
});
