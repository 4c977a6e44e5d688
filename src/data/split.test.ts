import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkLabels, type Dataset, takeEvenly } from "./dataset.ts";
import { image } from "./image.ts";
import { splitDataset } from "./split.ts";

function dataset(labels: readonly (number | undefined)[]): Dataset {
  const load = async () => image(1, 1, 1, Uint8Array.of(0));
  return {
    source: "memory",
    samples: labels.map((label, index) => ({ name: `${index}`, label, load })),
  };
}

const names = ({ samples }: Dataset): string[] => samples.map(({ name }) => name);
const labels = fc.array(fc.option(fc.nat({ max: 5 }), { nil: undefined }), { maxLength: 60 });

describe("splitDataset", () => {
  it("divides every class in the proportion, into two disjoint parts that are the whole", () => {
    fc.assert(
      fc.property(labels, fc.integer({ min: 1, max: 99 }), fc.integer(), (given, percent, seed) => {
        const whole = dataset(given);
        const fraction = percent / 100;
        const first = splitDataset(whole, { fraction, part: "first" }, seed);
        const second = splitDataset(whole, { fraction, part: "second" }, seed);
        const both = [...names(first), ...names(second)].map(Number).sort((a, b) => a - b);
        expect(both).toEqual(given.map((_, index) => index));
        for (const label of new Set(given)) {
          const size = given.filter((other) => other === label).length;
          const part = first.samples.filter((sample) => sample.label === label).length;
          expect(part).toBe(Math.floor(size * fraction + 0.5));
        }
      }),
    );
  });

  it("repeats for a seed, changes with it, keeps the order", () => {
    const whole = dataset(Array.from({ length: 100 }, (_, index) => index % 3));
    const split = { fraction: 0.5, part: "first" } as const;
    const once = names(splitDataset(whole, split, 1));
    expect(names(splitDataset(whole, split, 1))).toEqual(once);
    expect(names(splitDataset(whole, split, 2))).not.toEqual(once);
    expect(once.map(Number)).toEqual(once.map(Number).toSorted((a, b) => a - b));
  });

  it("refuses shares outside 0 to 1", () => {
    for (const fraction of [0, 1, -0.1, 70, Number.NaN]) {
      expect(() => splitDataset(dataset([0]), { fraction, part: "first" }, 1)).toThrow("--split");
    }
  });
});

describe("dataset", () => {
  it("takes evenly from the classes, in order", () => {
    const whole = dataset([0, 0, 0, 0, 1, 1, 2]);
    expect(names(takeEvenly(whole, 5))).toEqual(["0", "1", "4", "5", "6"]);
    expect(names(takeEvenly(whole, 2))).toEqual(["0", "4"]);
    expect(names(takeEvenly(whole, 99))).toEqual(names(whole));
  });

  it("names the first label without a class name", () => {
    const named = { ...dataset([0, 2]), classes: ["a", "b"] };
    expect(() => checkLabels(named)).toThrow(
      "memory: 1: a label has no class name: expected 0..1, got 2",
    );
    expect(checkLabels(dataset([5]))).toBeDefined();
  });
});
