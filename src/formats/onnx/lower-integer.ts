/**
 * Integer layers have no row of their own in ONNX: the pass lowerIntegers makes float operators of
 * them first, exact to the bit.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node, OpTable } from "../../ir/ops.ts";
import type { Builder } from "./builder.ts";

type IntegerOp = "intConv" | "intLinear" | "intAvgPool" | "intAdd" | "requantize" | "shiftConv";

function needsPass(node: Node, _builder: Builder): void {
  throw workError("integer layers are not lowered to ONNX", {
    node: describe(node),
    hint: "Run lowerIntegers on the graph first",
  });
}

/** One row per integer operator. */
export const integerRules: Pick<OpTable<[builder: Builder], void>, IntegerOp> = {
  intConv: needsPass,
  intLinear: needsPass,
  intAvgPool: needsPass,
  intAdd: needsPass,
  requantize: needsPass,
  shiftConv: needsPass,
};
