import { describe, expect, it } from "vitest";
import type { Loss } from "../../ir/training.ts";
import { float32 } from "../../tensor/tensor.ts";
import { checkLabels, labelClasses } from "./check-labels.ts";

const softmax: Loss = {
  ...{ kind: "softmax", layer: "loss", name: "l", weight: 1, scores: "x", label: "y", axis: 1 },
  ...{ ignoreLabel: undefined, normalization: "valid" },
};

describe("checkLabels", () => {
  it("takes integers in range, and the ignored label", () => {
    checkLabels(softmax, float32([4], [0, 9, 3, 1]), 10);
    checkLabels({ ...softmax, ignoreLabel: 255 }, float32([2], [255, 9]), 10);
  });

  it.each([10, -1, 2.5, Number.NaN])("names the sample of label %d", (label) => {
    const labels = float32([2, 1, 1, 2], [0, 1, 2, label]);
    expect(() => checkLabels(softmax, labels, 10)).toThrow(
      `sample 1: "loss": a label is out of range: expected an integer in 0..9, got ${label}`,
    );
    expect(() => checkLabels(softmax, labels, 10, () => "cat.jpg")).toThrow("cat.jpg: ");
  });

  it("says that a label may be the ignored one", () => {
    const ignoring = { ...softmax, ignoreLabel: -1 };
    expect(() => checkLabels(ignoring, float32([1], [3]), 3)).toThrow("0..2, or -1");
  });
});

describe("labelClasses", () => {
  it("is the size along the axis, of a sample, or nothing", () => {
    expect(labelClasses(softmax, [2, 5, 3, 3])).toBe(5);
    const hinge = { ...softmax, kind: "hinge", norm: "L1" } as const;
    expect(labelClasses(hinge, [2, 5, 3])).toBe(15);
    const euclidean: Loss = { ...softmax, kind: "euclidean", a: "x", b: "y" };
    expect(labelClasses(euclidean, [2, 5])).toBeUndefined();
  });
});
