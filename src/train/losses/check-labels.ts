/**
 * Labels against the classes that a loss or a measure has: checked before a step, which would read past the scores.
 */
import { inputError } from "../../error.ts";
import type { Accuracy, Loss } from "../../ir/training.ts";
import { elementCount, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

/** What reads labels. */
type Reader = Loss | Accuracy;

/** How many classes scores of this shape have; undefined for a loss whose second input is no label. */
export function labelClasses(reader: Reader, scores: Shape): number | undefined {
  if (!("kind" in reader) || reader.kind === "softmax") return scores[reader.axis] ?? 1;
  return reader.kind === "hinge" ? elementCount(scores.slice(1)) : undefined;
}

/**
 * Throws an input error unless every label [n, ...] is an integer in 0..classes-1, or the one that is ignored. It names
 * the sample as `nameOf` does, by its place in the batch.
 */
export function checkLabels(
  reader: Reader,
  labels: Tensor<"float32">,
  classes: number,
  nameOf: (sample: number) => string = (sample) => `sample ${sample}`,
): void {
  const ignored = "ignoreLabel" in reader ? reader.ignoreLabel : undefined;
  const wrong = labels.data.findIndex(
    (label) => !(label === ignored || (Number.isInteger(label) && label >= 0 && label < classes)),
  );
  if (wrong < 0) return;
  const perSample = labels.data.length / (labels.shape[0] ?? 1);
  const also = ignored === undefined ? "" : `, or ${ignored}`;
  throw inputError("a label is out of range", {
    where: nameOf(Math.floor(wrong / perSample)),
    node: `"${reader.layer}"`,
    expected: `an integer in 0..${classes - 1}${also}`,
    got: `${labels.data[wrong]}`,
    hint: "Labels count from 0; num_output of the last layer is the number of classes",
  });
}
