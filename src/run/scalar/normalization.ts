/**
 * Normalizations and the per-channel maps that follow them.
 */
import { inputError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, formatShape, normalizeAxis, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { stridedIndices, strides } from "./indices.ts";
import { doubles, input, type Kernel, type Real, reals, realTensor } from "./kernel.ts";

export const batchNorm: Kernel<"batchNorm"> = (node, inputs, run) => {
  const x = reals(node, inputs, 0);
  const { shape } = input(node, inputs, 0);
  const channels = shape[1] ?? 1;
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  const mean = reals(node, inputs, 1, channels);
  const variance = reals(node, inputs, 2, channels);
  const affine = inputs.length > 3;
  const gamma = affine ? reals(node, inputs, 3, channels) : undefined;
  const beta = affine ? reals(node, inputs, 4, channels) : undefined;
  const values = doubles(shape);
  for (let at = 0; at < values.length; at += 1) {
    const channel = Math.floor(at / inner) % channels;
    const centred = x[at]! - mean[channel]!;
    const unit = centred / Math.sqrt(variance[channel]! + node.attrs.epsilon);
    values[at] = unit * (gamma?.[channel] ?? 1) + (beta?.[channel] ?? 0);
  }
  return realTensor(run, values);
};

export const scale: Kernel<"scale"> = (node, inputs, run) => {
  const x = reals(node, inputs, 0);
  const gamma = reals(node, inputs, 1);
  const beta = inputs.length > 2 ? reals(node, inputs, 2, gamma.length) : undefined;
  const places = placesFrom(node, inputs, node.attrs.axis);
  const values = doubles(run.shape);
  for (let at = 0; at < values.length; at += 1) {
    const place = places[at]!;
    values[at] = x[at]! * gamma[place]! + (beta?.[place] ?? 0);
  }
  return realTensor(run, values);
};

export const bias: Kernel<"bias"> = (node, inputs, run) => {
  const x = reals(node, inputs, 0);
  const offsets = reals(node, inputs, 1);
  const places = placesFrom(node, inputs, node.attrs.axis);
  const values = doubles(run.shape);
  for (let at = 0; at < values.length; at += 1) values[at] = x[at]! + offsets[places[at]!]!;
  return realTensor(run, values);
};

/** For each element of input 0 the place in input 1, whose axes lie along those from `axis` on. */
function placesFrom(node: Node, inputs: readonly Tensor[], axis: number): Int32Array {
  const { shape } = input(node, inputs, 0);
  const own = input(node, inputs, 1).shape;
  const first = own.length === 0 ? 0 : normalizeAxis(axis, shape.length, describe(node));
  if (!sameShape(shape.slice(first, first + own.length), own)) {
    throw inputError(`input 1 does not fit the axes from ${axis} on`, {
      node: describe(node),
      expected: formatShape(shape.slice(first)),
      got: formatShape(own),
    });
  }
  const steps = strides(own);
  return stridedIndices(
    shape,
    shape.map((_, at) => steps[at - first] ?? 0),
  );
}

export const lrn: Kernel<"lrn"> = (node, inputs, run) => {
  const x = reals(node, inputs, 0);
  const dims = asNchw(input(node, inputs, 0).shape, describe(node));
  const { size, alpha, beta, k, region } = node.attrs;
  const across = region === "across";
  const factor = alpha / (across ? size : size ** 2);
  const sums = across ? squaresAcross(x, dims, size) : squaresWithin(x, dims, size);
  for (let at = 0; at < sums.length; at += 1) {
    sums[at] = x[at]! / (k + factor * sums[at]!) ** beta;
  }
  return realTensor(run, sums);
};

type Dims = readonly [n: number, c: number, h: number, w: number];

/** The neighbourhood of `at` along a line: `size` places from `at - floor((size - 1) / 2)` on. */
function neighbours(at: number, size: number, length: number): readonly [from: number, to: number] {
  const from = at - Math.floor((size - 1) / 2);
  return [Math.max(from, 0), Math.min(from + size, length)];
}

/** Sums of squares over neighbouring channels. */
function squaresAcross(x: Real, [n, c, h, w]: Dims, size: number): Float64Array {
  const plane = h * w;
  const sums = new Float64Array(x.length);
  for (let at = 0; at < n * c; at += 1) {
    const channel = at % c;
    const [from, to] = neighbours(channel, size, c);
    for (let other = from; other < to; other += 1) {
      const shift = (other - channel) * plane;
      for (let pixel = at * plane; pixel < (at + 1) * plane; pixel += 1) {
        sums[pixel]! += x[pixel + shift]! ** 2;
      }
    }
  }
  return sums;
}

/** Sums of squares over a window of the same channel; beyond the image lies 0. */
function squaresWithin(x: Real, [n, c, h, w]: Dims, size: number): Float64Array {
  const sums = new Float64Array(x.length);
  for (let at = 0; at < sums.length; at += 1) {
    const column = at % w;
    const row = Math.floor(at / w) % h;
    const plane = at - row * w - column;
    const [top, bottom] = neighbours(row, size, h);
    const [left, right] = neighbours(column, size, w);
    for (let y = top; y < bottom; y += 1) {
      for (let pixel = plane + y * w + left; pixel < plane + y * w + right; pixel += 1) {
        sums[at]! += x[pixel]! ** 2;
      }
    }
  }
  return sums.subarray(0, n * c * h * w);
}

export const normalize: Kernel<"normalize"> = (node, inputs, run) => {
  const x = reals(node, inputs, 0);
  const [n, c, h, w] = asNchw(input(node, inputs, 0).shape, describe(node));
  const gains = reals(node, inputs, 1);
  reals(node, inputs, 1, gains.length === 1 ? 1 : c);
  const plane = h * w;
  // One norm per image, or one per pixel.
  const perImage = node.attrs.acrossSpatial ? 1 : plane;
  const squares = new Float64Array(n * perImage);
  const placeOf = (at: number): number =>
    Math.floor(at / (c * plane)) * perImage + (perImage === 1 ? 0 : at % plane);
  for (let at = 0; at < x.length; at += 1) squares[placeOf(at)]! += x[at]! ** 2;
  const values = new Float64Array(x.length);
  for (let at = 0; at < x.length; at += 1) {
    const norm = Math.sqrt(squares[placeOf(at)]! + node.attrs.epsilon);
    values[at] = (x[at]! / norm) * gains[Math.floor(at / plane) % gains.length]!;
  }
  return realTensor(run, values);
};
