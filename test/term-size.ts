/**
 * How large a sum's terms are: its rounding is relative to them, and not to what they leave when they cancel.
 */
import type { Op } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
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
  const nodes = graph.nodes.map((node) =>
    node.op === "const"
      ? { ...node, attrs: { tensor: sized(node.attrs.tensor, node.id === taken) } }
      : node,
  );
  const sizes = new Map([...feeds].map(([id, value]) => [id, sized(value, id === taken)]));
  const y = runScalar({ ...graph, nodes }, sizes).get("y");
  return toNumbers(y ?? float32([0], [])).reduce((max, x) => Math.max(max, x), 0);
}

function sized(value: Tensor, negative: boolean): Tensor {
  if (value.dtype !== "float32") return value;
  return float32(
    value.shape,
    toNumbers(value).map((x) => (negative ? -Math.abs(x) : Math.abs(x))),
  );
}
