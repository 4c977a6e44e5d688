/**
 * Limits of layers by what they are, as the constraints of a network's blobs.
 */
import type { TrainingNetwork } from "../ir/training.ts";
import { learnedKeys } from "./learned-parameters.ts";
import type { Constraint } from "./solver/constraints.ts";
import type { LayerLimits } from "./solver/settings.ts";

const limited: ReadonlySet<string> = new Set(["conv", "quantConv", "linear"]);

/** A constraint for every convolution and inner product whose blobs are learned. */
export function constraintsOf(
  network: TrainingNetwork,
  { clipBias, maxNorm }: LayerLimits,
): readonly Constraint[] {
  const keys = learnedKeys(network);
  return network.graph.nodes.flatMap((node): readonly Constraint[] => {
    if (!limited.has(node.op)) return [];
    const [weight, bias] = [keys.get(node.inputs[1] ?? ""), keys.get(node.inputs[2] ?? "")];
    if (weight === undefined) return [];
    const norms: readonly Constraint[] =
      maxNorm === undefined ? [] : [{ kind: "maxNorm", weight, axis: 0, limit: maxNorm }];
    if (!clipBias || bias === undefined) return norms;
    return [...norms, { kind: "clipBias", weight, bias }];
  });
}
