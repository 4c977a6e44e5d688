/**
 * The convolution with rounded coefficients in training. The masters stay float; gradients pass the rounding as if it
 * were not there.
 */
import { asNchw } from "../../tensor/shape.ts";
import { roundCoefficients } from "../round-coefficients.ts";
import type { TrainRule } from "../tape.ts";
import { emitConv } from "./blocked-conv.ts";
import { convBackward } from "./conv.ts";

/** Straight-through: dW and db are those of a convolution; dX is computed with the rounded weights. */
export const quantConv: TrainRule<"quantConv"> = (node, tape) => {
  const [x = "", weight = "", bias] = node.inputs;
  const { stride, pads, dilation, groups, ...rule } = node.attrs;
  const attrs = { stride, pads, dilation, groups };
  const shape = asNchw(tape.shapeOf(weight));
  const rounded = roundCoefficients({ weight, bias, shape }, rule, tape);
  emitConv(tape, attrs, { x, shape, ...rounded }, node.id);
  return convBackward(attrs, { x, weight, weightForInputGradient: rounded.weight }, tape);
};
