/**
 * Gradients of pooling that chooses: the first largest element of each window gets all, as in Caffe. Windows that overlap
 * add up.
 */
import { int, ints, text } from "../../formats/onnx/attribute.ts";
import { emitPad } from "../../formats/onnx/lower-pad.ts";
import { fits, grown, hasEmptyWindow, lowest, overhangOf } from "../../formats/onnx/lower-pool.ts";
import { kernelExtent } from "../../ir/geometry.ts";
import { describe } from "../../ir/graph.ts";
import type { PoolAttrs } from "../../ir/ops.ts";
import { asNchw, elementCount, type Nchw, type Pads, type Shape } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";
import { emitSlice } from "./slices.ts";
import { emitTransposed } from "./transposed.ts";

export const maxPool: TrainRule<"maxPool"> = (node, tape) => {
  const shape = asNchw(tape.shapeOf(node.inputs[0] ?? ""), describe(node));
  const pads = grown(node.attrs.pads, overhangOf(node, tape));
  const isBlind = hasEmptyWindow(node, tape);
  return largest(tape, node.id, node.inputs[0] ?? "", shape, { ...node.attrs, pads, isBlind });
};

export const globalMaxPool: TrainRule<"globalMaxPool"> = (node, tape) => {
  const shape = asNchw(tape.shapeOf(node.inputs[0] ?? ""), describe(node));
  const [, , h, w] = shape;
  const plain = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1] } as const;
  const whole = { ...plain, kernel: [h, w], isBlind: false } as const;
  return largest(tape, node.id, node.inputs[0] ?? "", shape, whole);
};

/** Windows that start within the padded image; `pads` hold the overhang of the last ones. */
type Windows = Omit<PoolAttrs, "ceil"> & {
  /** Some window sees nothing but padding: a dilated one on a small map. */
  readonly isBlind: boolean;
};

function largest(tape: Tape, id: string, x: string, shape: Nchw, windows: Windows): Backward {
  return tape.kernels.manyOutputs
    ? byPlaces(tape, id, x, shape, windows)
    : byComparison(tape, id, x, shape, windows);
}

function byPlaces(tape: Tape, id: string, x: string, shape: Nchw, windows: Windows): Backward {
  const { pads, kernel } = windows;
  // ONNX Runtime wants pads smaller than the kernel, and has no place for a window that sees only padding.
  const padded = !fits(pads, kernel) || windows.isBlind;
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

/**
 * For engines that do not tell places: offset by offset, what of a window's gradient is left goes to the pixel that equals
 * the window's value. A transposed convolution, one weight of 1 per offset, puts all in their places.
 */
function byComparison(tape: Tape, id: string, x: string, shape: Nchw, windows: Windows): Backward {
  const { pads, kernel, stride, dilation } = windows;
  const full = withPads(shape, pads);
  const source = pads.some((pad) => pad > 0) ? emitPad(tape, x, pads, lowest) : x;
  const attributes = {
    kernel_shape: ints(kernel),
    strides: ints(stride),
    dilations: ints(dilation),
  };
  tape.emit("MaxPool", [source], attributes, id);
  return (dy) => {
    const [n, c, oh, ow] = asNchw(tape.shapeOf(id), id);
    const [kh, kw] = kernel;
    const offsets = Array.from({ length: kh * kw }, (_, at) => [Math.floor(at / kw), at % kw]);
    let left = dy;
    const parts = offsets.map(([row = 0, column = 0]) => {
      const top = row * dilation[0];
      const side = column * dilation[1];
      const pixels = emitSlice(tape, source, [
        { axis: 2, start: top, end: top + (oh - 1) * stride[0] + 1, step: stride[0] },
        { axis: 3, start: side, end: side + (ow - 1) * stride[1] + 1, step: stride[1] },
      ]);
      const isLargest = tape.emit("Equal", [pixels, id]);
      const part = tape.where(isLargest, left);
      left = tape.emit("Where", [isLargest, tape.number(0), left]);
      return tape.reshape(part, [n * c, 1, oh, ow]);
    });
    // Channels as pictures, so that nothing has groups.
    const all = tape.emit("Concat", parts, { axis: int(1) });
    const window = { kernel, size: [full[2], full[3]] } as const;
    const attrs = { stride, dilation, groups: 1, pads: [0, 0, 0, 0] } as const;
    const placed = emitTransposed(tape, all, oneHot(tape, kernel), attrs, window);
    return [within(tape, tape.reshape(placed, full), shape, pads)];
  };
}

/** [kh * kw, 1, kh, kw]: the identity of a window's offsets. */
function oneHot(tape: Tape, [kh, kw]: readonly [number, number]): string {
  const count = kh * kw;
  const data = new Float32Array(count * count);
  for (let at = 0; at < count; at += 1) data[at * count + at] = 1;
  return tape.initializer(float32([count, 1, kh, kw], data), "offsets");
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
