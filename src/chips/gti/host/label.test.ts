/** LABEL layers and what they print. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultLabels } from "../files/labels.ts";
import { labelLayer, labelOf, printLabels } from "./label.ts";

const pets = [
  { id: "n1", name: "cat" },
  { id: "n2", name: "dog, hound" },
  { id: "n3", name: "axolotl" },
];

describe("a LABEL layer", () => {
  it("has as many channels as it prints, and its file", () => {
    const { layer, file } = labelLayer(pets, 2);
    expect(layer).toEqual({
      name: "label",
      operation: "LABEL",
      "output channels": 2,
      "output height": 1,
      "output width": 1,
      "data file": "labels.txt",
      "data offset": 0,
    });
    expect(file).toEqual({ name: "labels.txt", text: "n1 cat\nn2 dog, hound\nn3 axolotl\n" });
    expect(labelOf([{ name: "s", operation: "SOFTMAX" }, layer])).toEqual({
      top: 2,
      dataFile: "labels.txt",
    });
  });

  it("is not there, or does not say what it prints", () => {
    expect(labelOf([])).toBeUndefined();
    expect(labelOf([{ name: "s", operation: "SOFTMAX" }])).toBeUndefined();
    const bare = { name: "l", operation: "LABEL" };
    expect(() => labelOf([bare])).toThrow(/LABEL "l": "output channels" does not fit/);
    expect(() => labelOf([{ ...bare, "output channels": 1 }])).toThrow(/"data file" does not fit/);
  });

  it.each([0, 4, 1.5, Number.NaN])("cannot print %s of three classes", (top) => {
    expect(() => labelLayer(pets, top)).toThrow(/expected 1 to 3/);
  });
});

describe("printing", () => {
  it("gives the best first, and the earlier of equals", () => {
    expect(printLabels([0.25, 0.5, 0.25], pets, 2)).toEqual({
      result: [
        { label: "n2 dog, hound", score: 0.5 },
        { label: "n1 cat", score: 0.25 },
      ],
    });
  });

  it("gives the largest scores in order", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true }), { minLength: 1, maxLength: 30 }),
        (scores) => {
          const labels = defaultLabels(scores.map((_, at) => `class ${at}`));
          const top = Math.ceil(scores.length / 2);
          const { result } = printLabels(Float32Array.from(scores), labels, top);
          const best = scores.toSorted((a, b) => (a === b ? 0 : b > a ? 1 : -1)).slice(0, top);
          expect(result.map(({ score }) => score + 0)).toEqual(best.map((score) => score + 0));
          expect(
            result.every(({ label, score }) => scores[Number(label.split(" ")[0])] === score),
          ).toBe(true);
        },
      ),
    );
  });

  it("refuses other counts and scores that are no numbers", () => {
    expect(() => printLabels([1, 2], pets, 1)).toThrow(/expected 3 scores, got 2/);
    expect(() => printLabels([1, Number.NaN, 2], pets, 1)).toThrow(
      /label "n2 dog, hound": a score is not a number/,
    );
    expect(() => printLabels([], [], 1)).toThrow(/expected labels/);
  });
});
