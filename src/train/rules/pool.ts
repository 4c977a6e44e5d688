/**
 * Gradients of pooling that chooses: the first largest element of each window gets all, as in Caffe. Windows that overlap
 * add up.
 */
import { int, ints, text } from "../../formats/onnx/attribute.ts";
import { emitPad } from "../../formats/onnx/lower-pad.ts";
import { fits, grown, lowest, overhangOf } from "../../formats/onnx/lower-pool.ts";
import { kernelExtent } from "../../ir/geometry.ts";
import { describe } from "../../ir/graph.ts";
import type { PoolAttrs } from "../../ir/ops.ts";
import { asNchw, elementCount, type Nchw, type Pads, type Shape } from "../../tensor/shape.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";
import { emitSlice } from "./slices.ts";

export const maxPool: TrainRule<"maxPool"> = (node, tape) => {
  const shape = asNchw(tape.shapeOf(node.inputs[0] ?? ""), describe(node));
  const pads = grown(node.attrs.pads, overhangOf(node, tape));
  return largest(tape, node.id, node.inputs[0] ?? "", shape, { ...node.attrs, pads });
};

export const globalMaxPool: TrainRule<"globalMaxPool"> = (node, tape) => {
  const shape = asNchw(tape.shapeOf(node.inputs[0] ?? ""), describe(node));
  const [, , h, w] = shape;
  const whole = { kernel: [h, w], stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1] } as const;
  return largest(tape, node.id, node.inputs[0] ?? "", shape, whole);
};

/** Windows that start within the padded image; `pads` hold the overhang of the last ones. */
type Windows = Omit<PoolAttrs, "ceil">;

function largest(tape: Tape, id: string, x: string, shape: Nchw, windows: Windows): Backward {
  const { pads, kernel } = windows;
  // ONNX Runtime wants pads smaller than the kernel.
  const padded = !fits(pads, kernel);
  const source = padded ? emitPad(tape, x, pads, lowest) : x;
  const attributes = {
    kernel_shape: ints(kernel),
    strides: ints(windows.stride),
    pads: ints(padded ? [0, 0, 0, 0] : pads),
    dilations: ints(windows.dilation),
  };
  const found = tape.emitMany("MaxPool", [source], attributes, ["largest", "places"]);
  const [value = "", places = ""] = found;
  tape.emit("Identity", [value], {}, id);
  return (dy) => {
    const full = padded ? withPads(shape, pads) : shape;
    const dx = areApart(windows)
      ? unpooled(tape, dy, places, full)
      : scattered(tape, dy, places, full);
    return [padded ? within(tape, dx, shape, pads) : dx];
  };
}

/** True where no pixel is in two windows. */
function areApart({ kernel, stride, dilation }: Windows): boolean {
  return ([0, 1] as const).every(
    (axis) => stride[axis] >= kernelExtent(kernel[axis], dilation[axis]),
  );
}

function withPads([n, c, h, w]: Nchw, [top, left, bottom, right]: Pads): Nchw {
  return [n, c, top + h + bottom, left + w + right];
}

function within(tape: Tape, x: string, [, , h, w]: Nchw, [top, left]: Pads): string {
  return emitSlice(tape, x, [
    { axis: 2, start: top, end: top + h },
    { axis: 3, start: left, end: left + w },
  ]);
}

/** Places are indices into the whole tensor of `shape`; each occurs once. The kernel only bounds the shape from below. */
function unpooled(tape: Tape, dy: string, places: string, shape: Shape): string {
  return tape.emit("MaxUnpool", [dy, places, tape.integers(shape, "shape")], {
    kernel_shape: ints([1, 1]),
  });
}

function scattered(tape: Tape, dy: string, places: string, shape: Shape): string {
  const zeros = tape.emit("ConstantOfShape", [tape.integers([elementCount(shape)], "count")]);
  const flat = [zeros, tape.reshape(places, [-1]), tape.reshape(dy, [-1])];
  const sums = tape.emit("ScatterElements", flat, { axis: int(0), reduction: text("add") });
  return tape.reshape(sums, shape);
}
