/**
 * The integer operators: the definition that every faster path must equal bit for bit. Accumulators
 * are doubles, exact for integers below 2^53; what becomes of them is defined in fixed/requantize.ts.
 */
import { inputError } from "../../error.ts";
import { dequantizeValue, quantizeValue } from "../../fixed/affine.ts";
import { numberFormats } from "../../fixed/number-format.ts";
import { addToGrid, realValue, requantize as toOutput } from "../../fixed/requantize.ts";
import { describe } from "../../ir/graph.ts";
import type { IntOutput, Node, Requantize } from "../../ir/ops.ts";
import { formatShape, normalizeAxis, type Shape, sameShape } from "../../tensor/shape.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { addPerChannel, convSizes, multiplyTransposed } from "./convolution.ts";
import { correlate } from "./correlate.ts";
import {
  doubles,
  input,
  integers,
  type Kernel,
  type Numeric,
  type Run,
  reals,
  realTensor,
} from "./kernel.ts";
import { eachWindow, poolWindows } from "./pooling.ts";

/** Integers that lie on the grid, as int8 where it is signed, else as uint8. */
function gridTensor(
  { qMin, signed = qMin < 0 }: Pick<Requantize, "qMin" | "signed">,
  shape: Shape,
  values: Float64Array,
): Tensor {
  return signed
    ? tensor("int8", shape, new Int8Array(values))
    : tensor("uint8", shape, new Uint8Array(values));
}

/** Accumulators `[n, c, ...]` times the multiplier of their channel, as integers or real values. */
function finished(output: IntOutput, run: Run, sums: Float64Array, multipliers: Numeric): Tensor {
  const { shape } = run;
  const channels = shape[1] ?? 1;
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  const isInteger = output.kind === "integer";
  for (let at = 0; at < sums.length; at += 1) {
    const multiplier = multipliers[Math.floor(at / inner) % channels]!;
    const sum = sums[at]!;
    sums[at] = isInteger ? toOutput(sum, multiplier, output) : realValue(sum, multiplier);
  }
  return isInteger ? gridTensor(output, shape, sums) : realTensor(run, sums);
}

/** Bias and multiplier behind the sums of intConv and intLinear. */
function withOutput(
  node: Node<"intConv"> | Node<"intLinear">,
  inputs: readonly Tensor[],
  run: Run,
  sums: Float64Array,
): Tensor {
  const channels = run.shape[1] ?? 1;
  addPerChannel(sums, integers(node, inputs, 2, channels), run.shape);
  return finished(node.attrs.output, run, sums, reals(node, inputs, 3, channels));
}

export const intConv: Kernel<"intConv"> = (node, inputs, run) => {
  const { xZero } = node.attrs;
  const x = Float64Array.from(integers(node, inputs, 0), (q) => q - xZero);
  const weight = new Float64Array(integers(node, inputs, 1));
  const shapes = [input(node, inputs, 0).shape, input(node, inputs, 1).shape] as const;
  const sums = correlate(x, weight, convSizes(...shapes, run.shape, node.attrs), node.attrs);
  return withOutput(node, inputs, run, sums);
};

export const intLinear: Kernel<"intLinear"> = (node, inputs, run) => {
  const [x, weight] = [integers(node, inputs, 0), integers(node, inputs, 1)];
  const sums = multiplyTransposed(x, weight, run.shape, node.attrs.xZero);
  return withOutput(node, inputs, run, sums);
};

/** Padding is not counted: the divisor is the number of pixels that the window sees. */
export const intAvgPool: Kernel<"intAvgPool"> = (node, inputs, run) => {
  const { window: attrs, xZero, multiplier, output } = node.attrs;
  const x = integers(node, inputs, 0);
  const count = run.shape.reduce((a, b) => a * b, 1);
  const pooled = new Float64Array(count);
  const windows = poolWindows(node, inputs, attrs);
  eachWindow(windows, input(node, inputs, 0).shape, count, (at, { pixels }, plane) => {
    let sum = 0;
    for (const pixel of pixels) sum += x[plane + pixel]! - xZero;
    const perPixel = Math.fround(multiplier / Math.max(pixels.length, 1));
    pooled[at] = toOutput(sum, perPixel, output);
  });
  return gridTensor(output, run.shape, pooled);
};

export const intAdd: Kernel<"intAdd"> = (node, inputs, run) => {
  const { zeros, multipliers, output } = node.attrs;
  const [a, b] = [integers(node, inputs, 0), integers(node, inputs, 1)];
  const [left, right] = [input(node, inputs, 0).shape, input(node, inputs, 1).shape];
  if (!sameShape(left, right)) {
    throw inputError("inputs must have the same shape", {
      node: describe(node),
      expected: formatShape(left),
      got: formatShape(right),
    });
  }
  const sums = doubles(run.shape);
  for (let at = 0; at < sums.length; at += 1) {
    sums[at] = addToGrid([a[at]! - zeros[0], b[at]! - zeros[1]], multipliers, output);
  }
  return gridTensor(output, run.shape, sums);
};

export const requantize: Kernel<"requantize"> = (node, inputs, run) => {
  const { xZero, multiplier, output } = node.attrs;
  const x = integers(node, inputs, 0);
  const values = doubles(run.shape);
  for (let at = 0; at < values.length; at += 1) {
    values[at] = toOutput(x[at]! - xZero, multiplier, output);
  }
  return gridTensor(output, run.shape, values);
};

/** For each element the place of its scale: 0, or its index along `axis`. */
function scalePlaces(
  node: Node<"quantize"> | Node<"dequantize">,
  inputs: readonly Tensor[],
): (at: number) => number {
  const { shape } = input(node, inputs, 0);
  const scales = reals(node, inputs, 1).length;
  if (scales === 1) return () => 0;
  const axis = normalizeAxis(node.attrs.axis, shape.length, describe(node));
  const dim = shape[axis] ?? 1;
  reals(node, inputs, 1, dim);
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  return (at) => Math.floor(at / inner) % dim;
}

/** ONNX QuantizeLinear. */
export const quantize: Kernel<"quantize"> = (node, inputs, run) => {
  const x = reals(node, inputs, 0);
  const scales = reals(node, inputs, 1);
  const zeros = integers(node, inputs, 2, scales.length);
  const { dtype } = input(node, inputs, 2);
  if (dtype !== "int8" && dtype !== "uint8" && dtype !== "int32") {
    throw inputError("the zero point has the wrong element type", {
      node: describe(node),
      expected: "int8, uint8 or int32",
      got: dtype,
    });
  }
  const placeOf = scalePlaces(node, inputs);
  const values = doubles(run.shape);
  for (let at = 0; at < values.length; at += 1) {
    const place = placeOf(at);
    const params = { scale: scales[place]!, zeroPoint: zeros[place]! };
    values[at] = quantizeValue(x[at]!, params, numberFormats[dtype]);
  }
  if (dtype === "int32") return tensor("int32", run.shape, new Int32Array(values));
  return gridTensor(numberFormats[dtype], run.shape, values);
};

/** ONNX DequantizeLinear. Float32 arithmetic at any precision: the result is on the grid. */
export const dequantize: Kernel<"dequantize"> = (node, inputs, run) => {
  const x = integers(node, inputs, 0);
  const scales = reals(node, inputs, 1);
  const zeros = inputs.length > 2 ? integers(node, inputs, 2, scales.length) : undefined;
  const placeOf = scalePlaces(node, inputs);
  const values = doubles(run.shape);
  for (let at = 0; at < values.length; at += 1) {
    const place = placeOf(at);
    const params = { scale: scales[place]!, zeroPoint: zeros?.[place] ?? 0 };
    values[at] = dequantizeValue(x[at]!, params);
  }
  return realTensor(run, values);
};
