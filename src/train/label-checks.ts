/**
 * The labels of a batch against all losses and measures that read them, before the batch is computed.
 */
import { inferTypes } from "../ir/infer.ts";
import { float32 } from "../tensor/tensor.ts";
import type { FedNetwork } from "./fed-network.ts";
import { checkLabels, labelClasses } from "./losses/check-labels.ts";

/** Throws an input error that names the sample. `nameOf` gives its name by its place in the batch. */
export type LabelCheck = (labels: Float32Array, nameOf: (sample: number) => string) => void;

/** Checks of whatever reads the network's labels as class numbers. */
export function labelCheck({ network, label }: FedNetwork): LabelCheck {
  const types = inferTypes(network.graph);
  const readers = [...network.losses, ...network.accuracies].flatMap((reader) => {
    if (!("label" in reader) || reader.label !== label) return [];
    const shape = types.get(reader.scores)?.shape;
    const classes = shape === undefined ? undefined : labelClasses(reader, shape);
    return classes === undefined ? [] : [{ reader, classes }];
  });
  return (labels, nameOf) => {
    const values = float32([labels.length], labels);
    for (const { reader, classes } of readers) checkLabels(reader, values, classes, nameOf);
  };
}
