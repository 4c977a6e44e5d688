/**
 * Functions of one value, and softmax. Computed in double, rounded once when stored.
 */
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { input, type Kernel, type Run, reals, realTensor } from "./kernel.ts";

function mapped(node: Node, inputs: readonly Tensor[], run: Run, f: (x: number) => number): Tensor {
  const x = reals(node, inputs, 0);
  const values = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += 1) values[at] = f(x[at]!);
  return realTensor(run, values);
}

export const relu: Kernel<"relu"> = (node, inputs, run) => {
  const { slope } = node.attrs;
  // Slope 0 apart: 0 * -Infinity would be NaN.
  const f = slope === 0 ? positive : (x: number): number => (x > 0 ? x : slope * x);
  return mapped(node, inputs, run, f);
};

const positive = (x: number): number => Math.max(x, 0);

export const clip: Kernel<"clip"> = (node, inputs, run) => {
  const { min, max } = node.attrs;
  return mapped(node, inputs, run, (x) => Math.min(Math.max(x, min), max));
};

export const prelu: Kernel<"prelu"> = (node, inputs, run) => {
  const { shape } = input(node, inputs, 0);
  const slopes = reals(node, inputs, 1);
  const channels = slopes.length === 1 ? 1 : (shape[1] ?? 1);
  reals(node, inputs, 1, channels);
  const x = reals(node, inputs, 0);
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  const values = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += 1) {
    const slope = slopes[Math.floor(at / inner) % channels]!;
    values[at] = x[at]! > 0 ? x[at]! : slope * x[at]!;
  }
  return realTensor(run, values);
};

export const elu: Kernel<"elu"> = (node, inputs, run) => {
  const { alpha } = node.attrs;
  return mapped(node, inputs, run, (x) => (x > 0 ? x : alpha * Math.expm1(x)));
};

export const sigmoid: Kernel<"sigmoid"> = (node, inputs, run) =>
  mapped(node, inputs, run, (x) => 1 / (1 + Math.exp(-x)));

export const tanh: Kernel<"tanh"> = (node, inputs, run) => mapped(node, inputs, run, Math.tanh);

export const abs: Kernel<"abs"> = (node, inputs, run) => mapped(node, inputs, run, Math.abs);

export const power: Kernel<"power"> = (node, inputs, run) => {
  const { power: exponent, scale, shift } = node.attrs;
  return mapped(node, inputs, run, (x) => (shift + scale * x) ** exponent);
};

export const exp: Kernel<"exp"> = (node, inputs, run) => {
  const { base, scale, shift } = node.attrs;
  const factor = naturalLog(base);
  return mapped(node, inputs, run, (x) => Math.exp(factor * (shift + scale * x)));
};

export const log: Kernel<"log"> = (node, inputs, run) => {
  const { base, scale, shift } = node.attrs;
  const divisor = naturalLog(base);
  return mapped(node, inputs, run, (x) => Math.log(shift + scale * x) / divisor);
};

/** Caffe writes -1 where it means the base e. */
function naturalLog(base: number): number {
  return base === -1 ? 1 : Math.log(base);
}

export const softmax: Kernel<"softmax"> = (node, inputs, run) => {
  const { shape } = input(node, inputs, 0);
  const axis = normalizeAxis(node.attrs.axis, shape.length, describe(node));
  const x = reals(node, inputs, 0);
  const dim = shape[axis] ?? 1;
  const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const values = new Float64Array(x.length);
  for (let line = 0; line < x.length / Math.max(dim, 1); line += 1) {
    const first = Math.floor(line / inner) * dim * inner + (line % inner);
    softmaxLine(x, values, first, inner, dim);
  }
  return realTensor(run, values);
};

function softmaxLine(
  x: ArrayLike<number>,
  values: Float64Array,
  first: number,
  step: number,
  count: number,
): void {
  const end = first + count * step;
  let max = -Infinity;
  for (let at = first; at < end; at += step) max = Math.max(max, x[at]!);
  let total = 0;
  for (let at = first; at < end; at += step) {
    values[at] = Math.exp(x[at]! - max);
    total += values[at]!;
  }
  for (let at = first; at < end; at += step) values[at]! /= total;
}
