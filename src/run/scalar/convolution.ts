/**
 * Float convolution, its transpose and the fully connected layer. The integer forms are in
 * quantized.ts and share the sums.
 */
import type { ConvAttrs, Node } from "../../ir/ops.ts";
import { asNchw, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { type ConvSizes, correlate, scatterCorrelate } from "./correlate.ts";
import { input, type Kernel, type Numeric, type Run, reals, realTensor } from "./kernel.ts";

/** Sizes of a correlation from the shapes of x, weight `[out, in / groups, kh, kw]` and output. */
export function convSizes(x: Shape, weight: Shape, output: Shape, attrs: ConvAttrs): ConvSizes {
  const [batch, , h, w] = asNchw(x);
  const [out, inChannels, kh, kw] = asNchw(weight);
  const [, , outH, outW] = asNchw(output);
  const { groups } = attrs;
  return {
    batch,
    groups,
    inChannels,
    outChannels: out / groups,
    kernel: [kh, kw],
    image: [h, w],
    output: [outH, outW],
  };
}

export const conv: Kernel<"conv"> = (node, inputs, run) => {
  const [x, weight] = [input(node, inputs, 0), input(node, inputs, 1)];
  const sizes = convSizes(x.shape, weight.shape, run.shape, node.attrs);
  const sums = correlate(
    new Float64Array(reals(node, inputs, 0)),
    new Float64Array(reals(node, inputs, 1)),
    sizes,
    node.attrs,
  );
  return withBias(node, inputs, run, sums);
};

export const deconv: Kernel<"deconv"> = (node, inputs, run) => {
  const [x, weight] = [input(node, inputs, 0), input(node, inputs, 1)];
  const [batch, channels, h, w] = asNchw(x.shape);
  const [, outChannels, kh, kw] = asNchw(weight.shape);
  const [, , outH, outW] = asNchw(run.shape);
  const { groups } = node.attrs;
  const sums = scatterCorrelate(
    new Float64Array(reals(node, inputs, 0)),
    new Float64Array(reals(node, inputs, 1)),
    {
      batch,
      groups,
      inChannels: channels / groups,
      outChannels,
      kernel: [kh, kw],
      image: [h, w],
      output: [outH, outW],
    },
    node.attrs,
  );
  return withBias(node, inputs, run, sums);
};

export const linear: Kernel<"linear"> = (node, inputs, run) => {
  const sums = multiplyTransposed(reals(node, inputs, 0), reals(node, inputs, 1), run.shape, 0);
  return withBias(node, inputs, run, sums);
};

/**
 * `sums[n, m] = sum over k of (x[n, k] - xZero) * weight[m, k]` in double, for an output shape
 * `[n, m]`. The weights are read as they are: a copy in double of the largest would not fit.
 */
export function multiplyTransposed(
  x: Numeric,
  weight: Numeric,
  [rows = 1, columns = 1]: Shape,
  xZero: number,
): Float64Array {
  const length = rows === 0 ? 0 : x.length / rows;
  const row = new Float64Array(length);
  const sums = new Float64Array(rows * columns);
  for (let n = 0; n < rows; n += 1) {
    for (let k = 0; k < length; k += 1) row[k] = x[n * length + k]! - xZero;
    for (let m = 0; m < columns; m += 1) sums[n * columns + m] = dot(row, weight, m * length);
  }
  return sums;
}

function dot(row: Float64Array, weight: Numeric, first: number): number {
  let sum = 0;
  for (let k = 0; k < row.length; k += 1) sum += row[k]! * weight[first + k]!;
  return sum;
}

/** Adds the bias of input 2, where the node has one, and stores. Channels are axis 1. */
function withBias(node: Node, inputs: readonly Tensor[], run: Run, sums: Float64Array): Tensor {
  if (inputs.length > 2) {
    const channels = run.shape[1] ?? 1;
    addPerChannel(sums, reals(node, inputs, 2, channels), run.shape);
  }
  return realTensor(run, sums);
}

/** Adds `bias[c]` to channel `c` of `sums`, shape `[n, c, ...]`, in place. */
export function addPerChannel(sums: Float64Array, bias: Numeric, shape: Shape): void {
  const channels = shape[1] ?? 1;
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  for (let at = 0; at < sums.length; at += 1) {
    sums[at]! += bias[Math.floor(at / inner) % channels]!;
  }
}
