/**
 * How large a sum's terms are: its rounding is relative to them, and not to what they leave when they cancel.
 */
import type { Op } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { float32, toNumbers } from "../src/tensor/tensor.ts";
import { withFloatConstants } from "./float-constants.ts";
import type { SmallGraph } from "./small-graph.ts";

/** Sums of products of their operands. */
const sums: ReadonlySet<Op> = new Set<Op>([
  "conv",
  "deconv",
  "linear",
  "avgPool",
  "globalAvgPool",
  "batchNorm",
  "scale",
  "bias",
  "add",
]);

/** The operand that a sum subtracts. */
const subtracted: { readonly [O in Op]?: number } = { batchNorm: 1 };

/** The largest result with no term below 0; 0 for an operator that is not such a sum. */
export function termSize(op: Op, { graph, feeds }: SmallGraph): number {
  if (!sums.has(op)) return 0;
  const taken = graph.nodes.find(({ id }) => id === "y")?.inputs[subtracted[op] ?? -1];
  const sized = (values: Float32Array, id: string): Float32Array =>
    values.map((x) => (id === taken ? -Math.abs(x) : Math.abs(x)));
  const sizes = new Map(
    [...feeds].map(([id, value]) => [
      id,
      value.dtype === "float32" ? float32(value.shape, sized(value.data, id)) : value,
    ]),
  );
  const y = runScalar(withFloatConstants(graph, sized), sizes).get("y");
  return toNumbers(y ?? float32([0], [])).reduce((max, x) => Math.max(max, x), 0);
}
