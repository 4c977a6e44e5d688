/**
 * Gradients of operators that move values: each element's gradient goes back to where it came from.
 */
import { ints } from "../../formats/onnx/attribute.ts";
import { lowerZeroInsert } from "../../formats/onnx/lower-levels.ts";
import { lowerPad } from "../../formats/onnx/lower-pad.ts";
import {
  lowerConcat,
  lowerFlatten,
  lowerIdentity,
  lowerReshape,
  lowerSlice,
  lowerTranspose,
} from "../../formats/onnx/lower-shape.ts";
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";
import { emitSlice } from "./slices.ts";

export const concat: TrainRule<"concat"> = (node, tape) => {
  lowerConcat(node, tape);
  const axis = normalizeAxis(node.attrs.axis, tape.shapeOf(node.id).length);
  return (dy, wants) => {
    let start = 0;
    return node.inputs.map((input, index) => {
      const end = start + (tape.shapeOf(input)[axis] ?? 0);
      const part = wants[index] ? emitSlice(tape, dy, [{ axis, start, end }]) : undefined;
      start = end;
      return part;
    });
  };
};

/** Zeros on both sides of what was taken. */
export const slice: TrainRule<"slice"> = (node, tape) => {
  lowerSlice(node, tape);
  const shape = tape.shapeOf(node.inputs[0] ?? "");
  const axis = normalizeAxis(node.attrs.axis, shape.length);
  const { start, end } = node.attrs;
  const before = shape.map((_, at) => (at === axis ? start : 0));
  const after = shape.map((dim, at) => (at === axis ? dim - end : 0));
  return (dy) => [tape.emit("Pad", [dy, tape.integers([...before, ...after], "pads")])];
};

/** The gradient under the input's shape. */
function relabelled(node: Node, tape: Tape): Backward {
  const shape = tape.shapeOf(node.inputs[0] ?? "");
  return (dy) => [tape.reshape(dy, shape)];
}

export const flatten: TrainRule<"flatten"> = (node, tape) => {
  lowerFlatten(node, tape);
  return relabelled(node, tape);
};

export const reshape: TrainRule<"reshape"> = (node, tape) => {
  lowerReshape(node, tape);
  return relabelled(node, tape);
};

export const transpose: TrainRule<"transpose"> = (node, tape) => {
  lowerTranspose(node, tape);
  const { perm } = node.attrs;
  const inverse = perm.map((_, axis) => perm.indexOf(axis));
  return (dy) => [tape.emit("Transpose", [dy], { perm: ints(inverse) })];
};

export const pad: TrainRule<"pad"> = (node, tape) => {
  lowerPad(node, tape);
  const [, , h = 0, w = 0] = tape.shapeOf(node.inputs[0] ?? "");
  const [top, left] = node.attrs.pads;
  return (dy) => [
    emitSlice(tape, dy, [
      { axis: 2, start: top, end: top + h },
      { axis: 3, start: left, end: left + w },
    ]),
  ];
};

/** The pixels that were not inserted. */
export const zeroInsert: TrainRule<"zeroInsert"> = (node, tape) => {
  lowerZeroInsert(node, tape);
  const [, , h = 0, w = 0] = tape.shapeOf(node.id);
  const [down, across] = node.attrs.factor;
  return (dy) => [
    emitSlice(tape, dy, [
      { axis: 2, start: 0, end: h, step: down },
      { axis: 3, start: 0, end: w, step: across },
    ]),
  ];
};

export const identity: TrainRule<"identity"> = (node, tape) => {
  lowerIdentity(node, tape);
  return (dy) => [dy];
};

/** While it is trained a dropout multiplies by a mask of zeros and of what keeps the mean. */
export const dropout: TrainRule<"dropout"> = (node, tape) => {
  const [x = ""] = node.inputs;
  if (node.attrs.ratio === 0) {
    lowerIdentity(node, tape);
    return (dy) => [dy];
  }
  const mask = tape.dropoutMask(node.id, tape.shapeOf(x), node.attrs.ratio);
  tape.emit("Mul", [x, mask], {}, node.id);
  return (dy) => [tape.mul(dy, mask)];
};
