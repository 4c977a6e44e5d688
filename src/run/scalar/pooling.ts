/**
 * Pooling of float tensors, and the largest value of any tensor. The integer average is in
 * quantized.ts.
 */
import { describe } from "../../ir/graph.ts";
import type { Node, PoolAttrs } from "../../ir/ops.ts";
import { asNchw } from "../../tensor/shape.ts";
import type { DType, Tensor } from "../../tensor/tensor.ts";
import {
  emptyData,
  filledTensor,
  input,
  type Kernel,
  type Numeric,
  numbers,
  type Real,
  type Run,
  reals,
  realTensor,
  storedType,
} from "./kernel.ts";
import { type Window, wholePlane, windowsOf } from "./windows.ts";

/** The windows of the node's image, whatever its dtype. */
export function poolWindows(
  node: Node,
  inputs: readonly Tensor[],
  attrs: PoolAttrs | "global",
): readonly Window[] {
  const [, , h, w] = asNchw(input(node, inputs, 0).shape, describe(node));
  return attrs === "global" ? [wholePlane([h, w])] : windowsOf([h, w], attrs, describe(node));
}

/** Calls `put` with every window of every plane, in output order. */
export function eachWindow(
  windows: readonly Window[],
  [, , h = 1, w = 1]: readonly number[],
  outputs: number,
  put: (at: number, window: Window, plane: number) => void,
): void {
  for (let at = 0; at < outputs; at += 1) {
    const window = windows[at % windows.length]!;
    put(at, window, Math.floor(at / windows.length) * h * w);
  }
}

/** Smallest value of each element type: what a window without pixels gives, as in Caffe and ONNX. */
const lowest: { readonly [D in DType]?: number } = {
  float32: -(2 ** 128 - 2 ** 104),
  float64: -(2 ** 128 - 2 ** 104),
  int8: -128,
  int16: -32768,
  int32: -(2 ** 31),
};

function largest(
  node: Node,
  inputs: readonly Tensor[],
  run: Run,
  windows: readonly Window[],
): Tensor {
  const x = numbers(node, inputs, 0);
  const dtype = storedType(run.dtype, run.precision);
  const count = run.shape.reduce((a, b) => a * b, 1);
  const peaks = emptyData(dtype, count);
  eachWindow(windows, input(node, inputs, 0).shape, count, (at, { pixels }, plane) => {
    peaks[at] = peak(x, pixels, plane, lowest[dtype] ?? 0);
  });
  return filledTensor(dtype, run.shape, peaks);
}

function peak(x: Numeric, pixels: Int32Array, plane: number, start: number): number {
  let best = start;
  for (const pixel of pixels) {
    const value = x[plane + pixel]!;
    if (value > best) best = value;
  }
  return best;
}

function pooledReals(
  node: Node,
  inputs: readonly Tensor[],
  run: Run,
  windows: readonly Window[],
  reduce: (x: Real, window: Window, plane: number) => number,
): Tensor {
  const x = reals(node, inputs, 0);
  const pooled = new Float64Array(run.shape.reduce((a, b) => a * b, 1));
  eachWindow(windows, input(node, inputs, 0).shape, pooled.length, (at, window, plane) => {
    pooled[at] = reduce(x, window, plane);
  });
  return realTensor(run, pooled);
}

function sum(x: Real, pixels: Int32Array, plane: number): number {
  let total = 0;
  for (const pixel of pixels) total += x[plane + pixel]!;
  return total;
}

/** Sum over divisor; 0 for a window that sees no pixel. */
function mean(x: Real, { pixels, padded }: Window, plane: number, countPad: boolean): number {
  const divisor = countPad ? padded : pixels.length;
  return pixels.length === 0 ? 0 : sum(x, pixels, plane) / divisor;
}

/** Caffe's STOCHASTIC at test time: the mean weighted by the values themselves. */
function weightedMean(x: Real, { pixels }: Window, plane: number): number {
  let squares = 0;
  for (const pixel of pixels) squares += x[plane + pixel]! ** 2;
  const total = sum(x, pixels, plane);
  // Caffe asks for a positive sum: the layer stands behind a ReLU.
  return total > 0 ? squares / total : 0;
}

export const maxPool: Kernel<"maxPool"> = (node, inputs, run) =>
  largest(node, inputs, run, poolWindows(node, inputs, node.attrs));

export const globalMaxPool: Kernel<"globalMaxPool"> = (node, inputs, run) =>
  largest(node, inputs, run, poolWindows(node, inputs, "global"));

export const avgPool: Kernel<"avgPool"> = (node, inputs, run) =>
  pooledReals(node, inputs, run, poolWindows(node, inputs, node.attrs), (x, window, plane) =>
    mean(x, window, plane, node.attrs.countPad),
  );

export const globalAvgPool: Kernel<"globalAvgPool"> = (node, inputs, run) =>
  pooledReals(node, inputs, run, poolWindows(node, inputs, "global"), (x, window, plane) =>
    mean(x, window, plane, false),
  );

export const stochasticPool: Kernel<"stochasticPool"> = (node, inputs, run) =>
  pooledReals(node, inputs, run, poolWindows(node, inputs, node.attrs), weightedMean);
