/**
 * Integer layers as exact float32 arithmetic in ONNX.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node, OpTable } from "../../ir/ops.ts";
import type { Builder } from "./builder.ts";

type IntegerOp = "intConv" | "intLinear" | "intAvgPool" | "intAdd" | "requantize";

function notYet(node: Node, _builder: Builder): void {
  throw workError("integer layers are not lowered to ONNX", { node: describe(node) });
}

/** One row per integer operator. */
export const integerRules: Pick<OpTable<[builder: Builder], void>, IntegerOp> = {
  intConv: notYet,
  intLinear: notYet,
  intAvgPool: notYet,
  intAdd: notYet,
  requantize: notYet,
};
