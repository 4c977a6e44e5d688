/**
 * Pooling as ONNX nodes. Windows that reach beyond the image are written as explicit pads in floor
 * mode, because implementations differ in ONNX's ceil mode.
 */
import { workError } from "../../error.ts";
import { poolGeometry } from "../../ir/geometry.ts";
import { describe } from "../../ir/graph.ts";
import type { Node, PoolAttrs } from "../../ir/ops.ts";
import { asNchw, type Pads, type Pair } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import { type Attributes, int, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";
import { emitPad } from "./lower-pad.ts";

export type PoolNode = Node & { readonly attrs: PoolAttrs };

/** Elements of the kernel of ones that stands in for a dilated average. */
const maxOnes = 2 ** 24;

const none: Pads = [0, 0, 0, 0];
/** Below every float32 that a network gives; -Infinity would do too, but breaks quantizers. */
export const lowest: number = -3.4028234663852886e38;

/** Overhang of the last windows [h, w]. A known shape is needed only where there can be any. */
export function overhangOf(node: PoolNode, builder: Builder): Pair {
  if (!node.attrs.ceil) return [0, 0];
  const [, , h, w] = asNchw(builder.typeOf(node.inputs[0] ?? "").shape, describe(node));
  return poolGeometry([h, w], node.attrs, describe(node)).overhang;
}

export function grown(pads: Pads, [bottom, right]: Pair): Pads {
  return [pads[0], pads[1], pads[2] + bottom, pads[3] + right];
}

/** ONNX Runtime wants pads smaller than the kernel. */
export function fits(pads: Pads, kernel: Pair): boolean {
  return pads.every((pad, side) => pad < kernel[side % 2 === 0 ? 0 : 1]);
}

function windowAttributes(
  attrs: PoolAttrs,
  pads: Pads,
  dilatedSince: number,
  opset: number,
): Attributes {
  const dilated = attrs.dilation.some((step) => step !== 1);
  return {
    kernel_shape: ints(attrs.kernel),
    strides: ints(attrs.stride),
    pads: ints(pads),
    dilations: dilated && opset >= dilatedSince ? ints(attrs.dilation) : undefined,
  };
}

export function lowerMaxPool(node: Node<"maxPool">, builder: Builder): void {
  const { attrs } = node;
  if (builder.opset < 10 && attrs.dilation.some((step) => step !== 1)) {
    throw workError("dilated max pooling needs opset 10", {
      node: describe(node),
      got: `opset ${builder.opset}`,
      hint: "Convert the model to a newer opset",
    });
  }
  const pads = grown(attrs.pads, overhangOf(node, builder));
  const [input = ""] = node.inputs;
  if (fits(pads, attrs.kernel)) {
    builder.emit("MaxPool", [input], windowAttributes(attrs, pads, 10, builder.opset), node.id);
    return;
  }
  const padded = emitPad(builder, input, pads, lowest);
  builder.emit("MaxPool", [padded], windowAttributes(attrs, none, 10, builder.opset), node.id);
}

/**
 * Where pads count in the divisor but the overhang does not, the pads become a Pad node and the
 * overhang the pooling's own pads, which do not count.
 */
export function lowerAvgPool(node: Node<"avgPool">, builder: Builder): void {
  emitAverage(node, builder, node.inputs[0] ?? "", node.attrs.countPad, node.id);
}

export function emitAverage(
  node: PoolNode,
  builder: Builder,
  input: string,
  countPad: boolean,
  output?: string,
): string {
  const { attrs } = node;
  const overhang = overhangOf(node, builder);
  const hangs = overhang.some((size) => size > 0);
  const padded = attrs.pads.some((pad) => pad !== 0);
  const dilated = attrs.dilation.some((step) => step !== 1);
  if (dilated && (builder.opset < 19 || hasEmptyWindow(node, builder))) {
    return emitDilatedAverage(node, builder, input, countPad, output);
  }
  // ONNX Runtime would merge a Pad of the kernel's size into the pool and refuse the result.
  if (!fits(attrs.pads, attrs.kernel)) {
    return emitDilatedAverage(node, builder, input, countPad, output);
  }
  const split = countPad && padded && hangs;
  const source = split ? emitPad(builder, input, attrs.pads, 0) : input;
  const pads = grown(split ? none : attrs.pads, overhang);
  if (!fits(pads, attrs.kernel)) return emitDilatedAverage(node, builder, input, countPad, output);
  const attributes = {
    ...windowAttributes(attrs, pads, 19, builder.opset),
    count_include_pad: countPad && padded && !split ? int(1) : undefined,
  };
  return builder.emit("AveragePool", [source], attributes, output);
}

/** How many pixels count along one axis, for each output position. */
export function countsAlong(node: PoolNode, input: Pair, countPad: boolean, axis: 0 | 1): number[] {
  const { kernel, stride, dilation, pads } = node.attrs;
  const trailing = axis === 0 ? 2 : 3;
  const low = countPad ? 0 : pads[axis];
  const high = pads[axis] + input[axis] + (countPad ? pads[trailing] : 0);
  const size = poolGeometry(input, node.attrs).output[axis];
  return Array.from({ length: size }, (_, at) => {
    const taps = Array.from(
      { length: kernel[axis] },
      (_unused, tap) => at * stride[axis] + tap * dilation[axis],
    );
    return taps.filter((place) => place >= low && place < high).length;
  });
}

/** True where a dilated window sees nothing but padding: ONNX Runtime divides by its count of 0. */
export function hasEmptyWindow(node: PoolNode, builder: Builder): boolean {
  const shape = builder.knownType(node.inputs[0] ?? "")?.shape;
  if (shape === undefined || node.attrs.pads.every((pad) => pad === 0)) return false;
  const [, , h, w] = asNchw(shape, describe(node));
  return ([0, 1] as const).some((axis) => countsAlong(node, [h, w], false, axis).includes(0));
}

/**
 * The sum as a depthwise convolution with ones, times a map of 1 / count. A dilated window, or one in
 * a wide pad, may see nothing but padding: its count is 0, and so is its average.
 */
function emitDilatedAverage(
  node: PoolNode,
  builder: Builder,
  input: string,
  countPad: boolean,
  output?: string,
): string {
  const [, c, h, w] = asNchw(builder.typeOf(node.inputs[0] ?? "").shape, describe(node));
  const { attrs } = node;
  const [kh, kw] = attrs.kernel;
  if (c * kh * kw > maxOnes) throw workError("the window is too large", { node: describe(node) });
  const pads = grown(attrs.pads, overhangOf(node, builder));
  const ones = float32([c, 1, kh, kw], new Float32Array(c * kh * kw).fill(1));
  const sum = builder.emit("Conv", [input, builder.initializer(ones, `${node.id}/ones`)], {
    kernel_shape: ints(attrs.kernel),
    strides: ints(attrs.stride),
    pads: ints(pads),
    dilations: ints(attrs.dilation),
    group: int(c),
  });
  const rows = countsAlong(node, [h, w], countPad, 0);
  const columns = countsAlong(node, [h, w], countPad, 1);
  const inverse = rows.flatMap((row) => columns.map((column) => 1 / Math.max(1, row * column)));
  const map = float32([1, 1, rows.length, columns.length], inverse);
  return builder.emit("Mul", [sum, builder.initializer(map, `${node.id}/inverse`)], {}, output);
}

/**
 * `mean(x^2) / mean(x)`: the divisors cancel. A sum that is not above 0 gives 0, as in Caffe: with
 * p = max(mean, 0) and m = (p != 0), it is `mean(x^2) / (p + 1 - m) * m`.
 */
export function lowerStochasticPool(node: Node<"stochasticPool">, builder: Builder): void {
  const [input = ""] = node.inputs;
  const square = builder.emit("Mul", [input, input]);
  const top = emitAverage(node, builder, square, false);
  const bottom = emitAverage(node, builder, input, false);
  const positive = builder.emit("Relu", [bottom]);
  const flag = builder.emit("Cast", [positive], { to: int(9) });
  const filled = builder.emit("Cast", [flag], { to: int(1) });
  const empty = builder.emit("Sub", [builder.scalar(1, `${node.id}/one`), filled]);
  const safe = builder.emit("Add", [positive, empty]);
  const ratio = builder.emit("Div", [top, safe]);
  builder.emit("Mul", [ratio, filled], {}, node.id);
}
