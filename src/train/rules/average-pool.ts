/**
 * Gradients of pooling that averages: each pixel of a window gets its share. Windows that overlap add up.
 */
import { text } from "../../formats/onnx/attribute.ts";
import {
  countsAlong,
  emitAverage,
  grown,
  lowerAvgPool,
  lowerStochasticPool,
  overhangOf,
} from "../../formats/onnx/lower-pool.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, type Nchw } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import type { Tape, TrainRule } from "../tape.ts";
import { emitTransposed } from "./transposed.ts";

type Windowed = Node<"avgPool"> | Node<"stochasticPool">;

/** `dx = sum(dy / count)` over the windows of a pixel, with the divisor that each window had. */
export const avgPool: TrainRule<"avgPool"> = (node, tape) => {
  lowerAvgPool(node, tape);
  return (dy) => [spread(tape, node, tape.mul(dy, shares(tape, node, node.attrs.countPad)))];
};

/** `dx = dy / (h * w)` everywhere. */
export const globalAvgPool: TrainRule<"globalAvgPool"> = (node, tape) => {
  const [x = ""] = node.inputs;
  const [, , h, w] = asNchw(tape.shapeOf(x), describe(node));
  tape.emit("GlobalAveragePool", [x], {}, node.id);
  const share = float32([1, 1, h, w], new Float32Array(h * w).fill(1 / (h * w)));
  return (dy) => [tape.mul(dy, tape.initializer(share, `${node.id}/share`))];
};

/**
 * Of what the operator computes, `y = sum(x^2) / s` with `s = sum(x)`: `dx = sum(dy * (2 * x - y) / s)` over the windows
 * of a pixel, those left out whose s is not above 0.
 */
export const stochasticPool: TrainRule<"stochasticPool"> = (node, tape) => {
  lowerStochasticPool(node, tape);
  const [x = ""] = node.inputs;
  return (dy) => {
    const mean = emitAverage(node, tape, x, false);
    const counted = tape.emit("Greater", [mean, tape.number(0)]);
    const share = tape.mul(tape.div(dy, mean), shares(tape, node, false));
    const g = tape.where(counted, share);
    const direct = tape.mul(tape.mul(x, tape.number(2)), spread(tape, node, g));
    return [tape.sub(direct, spread(tape, node, tape.mul(g, node.id)))];
  };
};

/** 1 / count of each window, [1, 1, rows, columns]; 1 where a window sees nothing. */
function shares(tape: Tape, node: Windowed, countPad: boolean): string {
  const [, , h, w] = imageOf(tape, node);
  const rows = countsAlong(node, [h, w], countPad, 0);
  const columns = countsAlong(node, [h, w], countPad, 1);
  const values = rows.flatMap((row) => columns.map((column) => 1 / Math.max(1, row * column)));
  return tape.initializer(float32([1, 1, rows.length, columns.length], values), `${node.id}/share`);
}

function imageOf(tape: Tape, node: Windowed): Nchw {
  return asNchw(tape.shapeOf(node.inputs[0] ?? ""), describe(node));
}

/** For every pixel the sum of `g`, of the output's shape, over the windows that it is in. */
function spread(tape: Tape, node: Windowed, g: string): string {
  const { kernel, stride, dilation } = node.attrs;
  const [n, c, h, w] = imageOf(tape, node);
  const pads = grown(node.attrs.pads, overhangOf(node, tape));
  const [kh, kw] = kernel;
  const tiled =
    pads.every((pad) => pad === 0) &&
    kh === stride[0] &&
    kw === stride[1] &&
    (h % kh) + (w % kw) === 0;
  if (tiled && kh * dilation[0] * kw * dilation[1] === kh * kw) return repeated(tape, g, kernel);
  // Channels are pictures here: one window of ones serves all.
  const [, , rows = 1, columns = 1] = tape.shapeOf(node.id);
  const single = tape.reshape(g, [n * c, 1, rows, columns]);
  const ones = tape.initializer(
    float32([1, 1, kh, kw], new Float32Array(kh * kw).fill(1)),
    `${node.id}/ones`,
  );
  const attrs = { stride, dilation, pads, groups: 1 };
  return tape.reshape(emitTransposed(tape, single, ones, attrs, { kernel, size: [h, w] }), [
    n,
    c,
    h,
    w,
  ]);
}

/** Each pixel as a block of kernel's size. */
function repeated(tape: Tape, g: string, [kh, kw]: readonly [number, number]): string {
  const scales = tape.initializer(float32([4], [1, 1, kh, kw]), "scales");
  return tape.emit("Resize", [g, "", scales], {
    mode: text("nearest"),
    nearest_mode: text("floor"),
    coordinate_transformation_mode: text("asymmetric"),
  });
}
