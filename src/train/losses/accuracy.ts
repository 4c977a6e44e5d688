/**
 * Caffe's Accuracy: how many labels are among the largest scores, of all and by class.
 */
import type { Accuracy } from "../../ir/training.ts";
import { elementCount } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

export type MeasuredAccuracy = {
  /** Share of the labels that are not ignored, 0..1; 0 where all are. */
  readonly value: number;
  /** The same by class; 0 for a class without a label. */
  readonly perClass: readonly number[];
};

/**
 * Accuracy of one batch. A label counts where fewer than `topK` classes come before it by larger score, or by larger
 * number among equal scores. Labels must be in range: see `checkLabels`.
 */
export function accuracyOf(
  { axis, topK, ignoreLabel }: Accuracy,
  scores: Tensor<"float32">,
  labels: Tensor<"float32">,
): MeasuredAccuracy {
  const classes = scores.shape[axis] ?? 1;
  const inner = elementCount(scores.shape.slice(axis + 1));
  const right = new Float64Array(classes);
  const all = new Float64Array(classes);
  for (const [place, label] of labels.data.entries()) {
    if (label === ignoreLabel) continue;
    const first = Math.floor(place / inner) * classes * inner + (place % inner);
    const before = ranksBefore(scores.data, { first, inner, classes, label });
    all[label] = (all[label] ?? 0) + 1;
    if (before < topK) right[label] = (right[label] ?? 0) + 1;
  }
  const sum = (counts: Float64Array): number => counts.reduce((a, b) => a + b, 0);
  const share = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);
  return {
    value: share(sum(right), sum(all)),
    perClass: Array.from(right, (count, one) => share(count, all[one] ?? 0)),
  };
}

type Row = {
  readonly first: number;
  readonly inner: number;
  readonly classes: number;
  readonly label: number;
};

/** How many classes rank before the label. A score that is no number ranks last. */
function ranksBefore(scores: Float32Array, { first, inner, classes, label }: Row): number {
  const own = scores[first + label * inner] ?? Number.NaN;
  if (Number.isNaN(own)) return classes;
  let before = 0;
  for (let one = 0; one < classes; one += 1) {
    const score = scores[first + one * inner] ?? Number.NaN;
    if (score > own || (score === own && one > label)) before += 1;
  }
  return before;
}
