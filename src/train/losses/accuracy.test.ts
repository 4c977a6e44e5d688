import { describe, expect, it } from "vitest";
import type { Accuracy } from "../../ir/training.ts";
import { float32 } from "../../tensor/tensor.ts";
import { accuracyOf } from "./accuracy.ts";

const accuracy: Accuracy = {
  ...{ layer: "accuracy", name: "accuracy", scores: "x", label: "y", axis: 1, topK: 1 },
  ...{ ignoreLabel: undefined, perClass: undefined },
};

describe("accuracyOf", () => {
  const scores = float32([3, 3], [3, 2, 1, 1, 2, 3, 2, 2, 2]);

  it("counts labels among the largest scores, the last of equal ones first", () => {
    expect(accuracyOf(accuracy, scores, float32([3], [0, 2, 2])).value).toBe(1);
    expect(accuracyOf(accuracy, scores, float32([3], [1, 1, 1])).value).toBe(0);
    expect(accuracyOf({ ...accuracy, topK: 2 }, scores, float32([3], [1, 1, 1])).value).toBe(1);
    expect(accuracyOf({ ...accuracy, topK: 2 }, scores, float32([3], [0, 2, 0])).value).toBeCloseTo(
      2 / 3,
    );
  });

  it("gives shares by class, and leaves the ignored label out", () => {
    const found = accuracyOf({ ...accuracy, ignoreLabel: 0 }, scores, float32([3], [0, 2, 1]));
    expect(found).toEqual({ value: 0.5, perClass: [0, 0, 1] });
    const none = accuracyOf({ ...accuracy, ignoreLabel: 0 }, scores, float32([3], [0, 0, 0]));
    expect(none.value).toBe(0);
  });

  it("reads scores along its axis", () => {
    const image = float32([1, 2, 1, 3], [5, 1, 5, 2, 4, 2]);
    expect(accuracyOf(accuracy, image, float32([1, 1, 3], [0, 1, 0])).value).toBe(1);
    expect(accuracyOf(accuracy, image, float32([1, 1, 3], [1, 0, 0])).value).toBeCloseTo(1 / 3);
  });

  it("never counts a score that is no number", () => {
    const wild = float32([1, 2], [Number.NaN, 0]);
    expect(accuracyOf(accuracy, wild, float32([1], [0])).value).toBe(0);
    expect(accuracyOf(accuracy, wild, float32([1], [1])).value).toBe(1);
  });
});
