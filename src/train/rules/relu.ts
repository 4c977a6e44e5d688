/**
 * Gradients of activations that cut off: what is cut gets none. At the kink itself it counts as cut, as in Caffe.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { elementCode } from "../../formats/onnx/element-types.ts";
import { lowerClip, lowerRelu } from "../../formats/onnx/lower-activation.ts";
import type { Tape, TrainRule } from "../tape.ts";

/** `dx = dy` where x > 0, else `slope * dy`. */
export const relu: TrainRule<"relu"> = (node, tape) => {
  lowerRelu(node, tape);
  const [x = ""] = node.inputs;
  const { slope } = node.attrs;
  return (dy) => {
    const passes = asNumber(tape, tape.emit("Greater", [x, tape.number(0)]));
    if (slope === 0) return [tape.mul(dy, passes)];
    const scaled = tape.mul(passes, tape.number(1 - slope));
    return [tape.mul(dy, tape.add(scaled, tape.number(slope)))];
  };
};

/** `dx = dy` where min < x < max. */
export const clip: TrainRule<"clip"> = (node, tape) => {
  lowerClip(node, tape);
  const [x = ""] = node.inputs;
  const { min, max } = node.attrs;
  const above = (): string => tape.emit("Greater", [x, tape.number(min)]);
  const below = (): string => tape.emit("Less", [x, tape.number(max)]);
  return (dy) => {
    if (min === -Infinity && max === Infinity) return [dy];
    if (max === Infinity) return [tape.mul(dy, asNumber(tape, above()))];
    if (min === -Infinity) return [tape.mul(dy, asNumber(tape, below()))];
    return [tape.mul(dy, asNumber(tape, tape.emit("And", [above(), below()])))];
  };
};

/** A mask as 1 and 0: a product with it takes half the time of a Where. */
export function asNumber(tape: Tape, mask: string): string {
  return tape.emit("Cast", [mask], { to: int(elementCode("float32")) });
}
