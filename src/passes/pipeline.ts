/**
 * The canonical form: the passes that every network goes through, by name and in order.
 */
import { type Graph, sweep } from "../ir/graph.ts";
import { foldBatchNorm } from "./fold-batch-norm.ts";
import { foldConstants } from "./fold-constants.ts";
import { foldPriorBox } from "./fold-prior-box.ts";
import { foldScaleForward } from "./fold-scale-forward.ts";
import { mergePad } from "./merge-pad.ts";
import { normalizeActivations } from "./normalize-activations.ts";
import { removeNoOps } from "./remove-no-ops.ts";

/** A named step from graph to graph; it gives the same object where it changes nothing. */
export type Pass = { readonly name: string; readonly run: (graph: Graph) => Graph };

/** Every pass keeps the network's float function. */
export const canonicalPasses: readonly Pass[] = [
  { name: "remove-dead", run: sweep },
  { name: "remove-no-ops", run: removeNoOps },
  { name: "fold-prior-box", run: foldPriorBox },
  { name: "fold-constants", run: foldConstants },
  { name: "normalize-activations", run: normalizeActivations },
  { name: "merge-pad", run: mergePad },
  { name: "fold-batch-norm", run: foldBatchNorm },
  { name: "fold-scale-forward", run: foldScaleForward },
];

export type OnPass = (name: string, graph: Graph) => void;

/** One pass may make room for an earlier one; more rounds than this were never seen to help. */
const maxRounds = 4;

/**
 * Runs the passes in order, again until none changes anything; `onPass` sees each result that differs
 * from what went in.
 */
export function canonicalize(graph: Graph, options: { readonly onPass?: OnPass } = {}): Graph {
  let current = graph;
  for (let round = 0; round < maxRounds; round += 1) {
    const before = current;
    for (const pass of canonicalPasses) {
      const after = pass.run(current);
      if (after !== current) options.onPass?.(pass.name, after);
      current = after;
    }
    if (current === before) break;
  }
  return current;
}
