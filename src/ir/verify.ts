/**
 * What every graph promises: unique ids, inputs that stand before their readers, outputs that exist,
 * and at each level only the operators of that level.
 */
import { inputError } from "../error.ts";
import { describe, type Graph } from "./graph.ts";
import { inferTypes } from "./infer.ts";
import type { Op } from "./ops.ts";

/**
 * `imported`: anything a reader gives. `canonical`: no operator is left that a pass folds away.
 * `quantized`: canonical, with quantize and dequantize. `integer`: integer layers and host operators.
 */
export type Level = "imported" | "canonical" | "quantized" | "integer";

const foldedAway: readonly Op[] = ["dropout", "identity"];
const quantizers: readonly Op[] = ["quantize", "dequantize"];
const integers: readonly Op[] = [
  ...(["intConv", "intLinear", "intAvgPool", "intAdd", "requantize", "shiftConv"] as const),
];

const forbidden: Readonly<Record<Level, ReadonlySet<Op>>> = {
  imported: new Set(integers),
  canonical: new Set([...foldedAway, ...quantizers, ...integers]),
  quantized: new Set([...foldedAway, ...integers]),
  integer: new Set(foldedAway),
};

/** Gives the graph back, or throws the first broken promise. */
export function verify(graph: Graph, level: Level): Graph {
  const seen = new Set<string>();
  for (const node of graph.nodes) {
    const missing = node.inputs.find((id) => !seen.has(id) && !(id === "" && node.op === "opaque"));
    if (missing !== undefined) {
      throw inputError("reads a value that no earlier node gives", {
        node: describe(node),
        got: `"${missing}"`,
      });
    }
    if (seen.has(node.id)) throw inputError("id is used twice", { node: describe(node) });
    if (forbidden[level].has(node.op)) {
      throw inputError(`operator does not belong in a graph of level "${level}"`, {
        node: describe(node),
      });
    }
    seen.add(node.id);
  }
  const lost = graph.outputs.find((output) => !seen.has(output.id));
  if (lost !== undefined) throw inputError(`output "${lost.name}" is given by no node`);
  inferTypes(graph);
  return graph;
}
