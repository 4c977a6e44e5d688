/**
 * Gradients of factors and offsets that stand along some axes, learned or computed.
 */
import { lowerBias, lowerScale } from "../../formats/onnx/lower-norm.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { TrainRule } from "../tape.ts";
import { columnOf, sumToColumn } from "./columns.ts";

/** `y = x * gamma + beta`: `dgamma` sums `dy * x`, `dbeta` sums `dy`. */
export const scale: TrainRule<"scale"> = (node, tape) => {
  lowerScale(node, tape);
  const [x = "", gamma = "", beta = ""] = node.inputs;
  const shape = tape.shapeOf(x);
  const axis = normalizeAxis(node.attrs.axis, shape.length);
  return (dy, [wantsX, wantsGamma, wantsBeta]) => {
    const column = { id: gamma, axis };
    return [
      wantsX ? tape.mul(dy, columnOf(tape, column, shape.length)) : undefined,
      wantsGamma ? sumToColumn(tape, tape.mul(dy, x), shape, column) : undefined,
      wantsBeta ? sumToColumn(tape, dy, shape, { id: beta, axis }) : undefined,
    ];
  };
};

export const bias: TrainRule<"bias"> = (node, tape) => {
  lowerBias(node, tape);
  const [x = "", offset = ""] = node.inputs;
  const shape = tape.shapeOf(x);
  const axis = normalizeAxis(node.attrs.axis, shape.length);
  return (dy, [, wantsOffset]) => [
    dy,
    wantsOffset ? sumToColumn(tape, dy, shape, { id: offset, axis }) : undefined,
  ];
};
