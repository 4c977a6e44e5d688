/**
 * The blobs of a network that a solver changes.
 */
import type { Parameter, TrainingNetwork } from "../ir/training.ts";

export function learnedParameters(network: TrainingNetwork): readonly Parameter[] {
  return network.parameters.filter(({ lrMult }) => lrMult !== 0);
}

/** The blob's key by the id of every node that holds it. */
export function learnedKeys(network: TrainingNetwork): ReadonlyMap<string, string> {
  return new Map(
    learnedParameters(network).flatMap(({ key, ids }) => ids.map((id) => [id, key] as const)),
  );
}
