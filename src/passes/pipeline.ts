/**
 * The canonical form: the passes that every network goes through, by name and in order.
 */
import type { Graph } from "../ir/graph.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { foldScaleForward } from "./fold-scale-forward.ts";
import { mergePad } from "./merge-pad.ts";
import { normalizeActivations } from "./normalize-activations.ts";
import { removeNoOps } from "./remove-no-ops.ts";

/** A named step from graph to graph; it gives the same object where it changes nothing. */
export type Pass = { readonly name: string; readonly run: (graph: Graph) => Graph };

/** Every pass keeps the network's float function. */
export const canonicalPasses: readonly Pass[] = [
  { name: "remove-no-ops", run: removeNoOps },
  { name: "fold-constants", run: foldConstants },
  { name: "normalize-activations", run: normalizeActivations },
  { name: "merge-pad", run: mergePad },
  { name: "fold-batch-norm", run: foldBatchNorm },
  { name: "fold-scale-forward", run: foldScaleForward },
];

export type OnPass = (name: string, graph: Graph) => void;

/** Runs the passes in order; `onPass` sees each result that differs from what went in. */
export function canonicalize(graph: Graph, options: { readonly onPass?: OnPass } = {}): Graph {
  return canonicalPasses.reduce((before, pass) => {
    const after = pass.run(before);
    if (after !== before) options.onPass?.(pass.name, after);
    return after;
  }, graph);
}
