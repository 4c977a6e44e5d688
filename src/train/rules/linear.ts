/**
 * Gradients of fully connected layers.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { lowerLinear } from "../../formats/onnx/lower-conv.ts";
import type { TrainRule } from "../tape.ts";

/** `y = x * w^T + b`: `dx = dy * w`, `dw = dy^T * x`, `db` is the sum over rows. */
export const linear: TrainRule<"linear"> = (node, tape) => {
  lowerLinear(node, tape);
  const [x = "", weight = ""] = node.inputs;
  return (dy, [wantsX, wantsWeight, wantsBias]) => [
    wantsX ? tape.emit("Gemm", [dy, weight]) : undefined,
    wantsWeight ? tape.emit("Gemm", [dy, x], { transA: int(1) }) : undefined,
    wantsBias ? tape.sum(dy, [0]) : undefined,
  ];
};
