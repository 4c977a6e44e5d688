/**
 * Straight-through gradients of operators that put values on a grid: inside the grid's range as if nothing were rounded,
 * outside none. Scales get no gradient.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { elementCode } from "../../formats/onnx/element-types.ts";
import { lowerToLevels } from "../../formats/onnx/lower-levels.ts";
import { lowerDequantize, lowerQuantize } from "../../formats/onnx/lower-quantize.ts";
import type { Node } from "../../ir/ops.ts";
import { elementCount, normalizeAxis } from "../../tensor/shape.ts";
import type { DType } from "../../tensor/tensor.ts";
import type { Tape, TrainRule } from "../tape.ts";

/** `dx = dy / step` where `0 <= x <= qMax * step`. */
export const toLevels: TrainRule<"toLevels"> = (node, tape) => {
  lowerToLevels(node, tape);
  const [x = ""] = node.inputs;
  const { step, qMax } = node.attrs;
  return (dy) => {
    const inside = within(tape, x, tape.number(0), tape.number(qMax * step));
    return [tape.div(tape.where(inside, dy), tape.number(step))];
  };
};

function within(tape: Tape, x: string, low: string, high: string): string {
  return tape.emit("And", [
    tape.emit("GreaterOrEqual", [x, low]),
    tape.emit("LessOrEqual", [x, high]),
  ]);
}

/** `dx = dy / scale` where `qMin <= x / scale + zeroPoint <= qMax`, the range of the output's type. */
export const quantize: TrainRule<"quantize"> = (node, tape) => {
  lowerQuantize(node, tape);
  const [x = "", , zero = ""] = node.inputs;
  const [qMin, qMax] = ranges[tape.typeOf(node.id).dtype] ?? [-Infinity, Infinity];
  return (dy) => {
    const scale = parameter(node, tape, node.inputs[1] ?? "");
    const offset =
      zero === ""
        ? tape.number(0)
        : parameter(node, tape, tape.emit("Cast", [zero], { to: int(elementCode("float32")) }));
    const grid = tape.add(tape.div(x, scale), offset);
    const inside = within(tape, grid, tape.number(qMin), tape.number(qMax));
    return [tape.div(tape.where(inside, dy), scale)];
  };
};

/** `dx = dy * scale`. */
export const dequantize: TrainRule<"dequantize"> = (node, tape) => {
  lowerDequantize(node, tape);
  return (dy) => [tape.mul(dy, parameter(node, tape, node.inputs[1] ?? ""))];
};

const ranges: { readonly [D in DType]?: readonly [min: number, max: number] } = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-(2 ** 15), 2 ** 15 - 1],
  uint16: [0, 2 ** 16 - 1],
};

/** A scale or zero point, single or per channel, so that it broadcasts against the node's value. */
function parameter(node: Node<"quantize"> | Node<"dequantize">, tape: Tape, id: string): string {
  const rank = tape.shapeOf(node.id).length;
  // A name of our own, such as a cast zero point's, has the shape of the scale.
  const shape = tape.shapeOf(node.inputs[1] ?? "");
  if (elementCount(shape) === 1) return tape.reshape(id, []);
  const axis = normalizeAxis(node.attrs.axis, rank);
  const trailing = rank - axis - shape.length;
  return trailing > 0 ? tape.reshape(id, [...shape, ...new Array<number>(trailing).fill(1)]) : id;
}
