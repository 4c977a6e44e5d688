/**
 * The chip form: a canonical network whose operators stand as the chip has them. Each pass keeps the float
 * function.
 */
import type { Graph } from "../../../ir/graph.ts";
import { normalizeActivations } from "../../../passes/normalize-activations.ts";
import type { Pass } from "../../../passes/pipeline.ts";
import { activationFirst } from "./activation-first.ts";
import { frozenUpsampling } from "./frozen-upsampling.ts";
import { sampleStrides } from "./sample-strides.ts";

/** Passes that cost nothing where a layer stays on the host. */
export const plainPasses: readonly Pass[] = [
  { name: "frozen-upsampling", run: frozenUpsampling },
  { name: "activation-first", run: activationFirst },
  // A moved activation may now stand behind another one.
  { name: "normalize-activations", run: normalizeActivations },
];

/**
 * The network in chip form; the same graph where nothing changes. Strided convolutions are sampled, or only
 * `sampled` ones: on the host that would be four times the work.
 */
export function chipForm(graph: Graph, sampled?: ReadonlySet<string>): Graph {
  const plain = plainPasses.reduce((current, pass) => pass.run(current), graph);
  return sampleStrides(plain, sampled);
}
