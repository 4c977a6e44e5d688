/**
 * What a network reports of one batch, by name: losses, and accuracies of scores against labels.
 */
import type { Values } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import type { Accuracy, TrainingNetwork } from "../ir/training.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { accuracyOf } from "./losses/accuracy.ts";
import type { NamedValue } from "./train-loop.ts";

/** How many labels of a batch an accuracy layer counted as right, and of how many. */
export type Count = { readonly name: string; readonly correct: number; readonly total: number };

export type Measures = {
  /** In Caffe's order, which is that of the names. */
  readonly outputs: readonly NamedValue[];
  /** Of the accuracies, in the network's order. */
  readonly counts: readonly Count[];
};

/** `losses` are the values in the network's order; `values` holds scores and labels by id. */
export function measure(
  network: TrainingNetwork,
  losses: readonly number[],
  values: Values,
): Measures {
  const found = network.losses.map(
    ({ name, weight }, at): NamedValue => ({
      ...{ name, value: losses[at] ?? Number.NaN },
      ...(weight !== 0 && { weight }),
    }),
  );
  const counts: Count[] = [];
  for (const accuracy of network.accuracies) {
    const labels = floatOf(values, accuracy.label);
    const { value, perClass } = accuracyOf(accuracy, floatOf(values, accuracy.scores), labels);
    found.push({ name: accuracy.name, value });
    const { perClass: name } = accuracy;
    if (name !== undefined) found.push(...perClass.map((one) => ({ name, value: one })));
    counts.push(countOf(accuracy, value, labels));
  }
  // Caffe keeps the blobs that nothing reads in a std::set.
  const outputs = found.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  return { outputs, counts };
}

function countOf({ name, ignoreLabel }: Accuracy, share: number, labels: Tensor<"float32">): Count {
  const total = labels.data.filter((label) => label !== ignoreLabel).length;
  return { name, correct: Math.round(share * total), total };
}

function floatOf(values: Values, id: string): Tensor<"float32"> {
  const value = values.get(id);
  if (value?.dtype === "float32") return value;
  throw workError("a value that an accuracy reads is missing", { got: id });
}
