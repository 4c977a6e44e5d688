/**
 * Ridge regression by the normal equations in double precision: the demo's way to a trained layer
 * without training. Not for large problems: memory is the square of the number of features.
 */
import { workError } from "../error.ts";

export type LinearFit = {
  /** `[targets][features]` in C order. */
  readonly weights: Float64Array;
  /** One per target. */
  readonly bias: Float64Array;
};

/**
 * The weights W and bias b that minimize `sum |W x + b - y|^2 + ridge * trace/features * |W|^2`. `x` is
 * `[samples][features]`, `y` `[samples][targets]`, in C order; `trace` is that of the centred x'x, so that
 * `ridge` has no unit. x'x + r I = L L' (Cholesky), then two triangular solutions for each target.
 */
export function fitLinear(
  x: Float64Array,
  y: Float64Array,
  samples: number,
  ridge: number,
): LinearFit {
  const [features, targets] = [x.length / samples, y.length / samples];
  const xMean = columnMeans(x, samples, features);
  const yMean = columnMeans(y, samples, targets);
  const centred = x.map((value, index) => value - at(xMean, index % features));
  const gram = gramMatrix(centred, samples, features);
  addRidge(gram, features, ridge);
  choleskyInPlace(gram, features);
  const weights = new Float64Array(targets * features);
  const bias = new Float64Array(targets);
  for (let target = 0; target < targets; target += 1) {
    const right = weights.subarray(target * features, (target + 1) * features);
    for (let sample = 0; sample < samples; sample += 1) {
      const error = at(y, sample * targets + target) - at(yMean, target);
      for (let f = 0; f < features; f += 1)
        add(right, f, error * at(centred, sample * features + f));
    }
    solveInPlace(gram, right, features);
    bias[target] = at(yMean, target) - dot(right, 0, xMean, 0, features);
  }
  return { weights, bias };
}

function at(values: Float64Array, index: number): number {
  return values[index] ?? 0;
}

function add(values: Float64Array, index: number, change: number): void {
  values[index] = at(values, index) + change;
}

function columnMeans(rows: Float64Array, count: number, width: number): Float64Array {
  const means = new Float64Array(width);
  for (let index = 0; index < rows.length; index += 1) {
    add(means, index % width, at(rows, index) / count);
  }
  return means;
}

/** The lower triangle of x'x, `[features][features]`. */
function gramMatrix(x: Float64Array, samples: number, features: number): Float64Array {
  const gram = new Float64Array(features * features);
  for (let sample = 0; sample < samples; sample += 1) {
    const row = x.subarray(sample * features, (sample + 1) * features);
    for (let i = 0; i < features; i += 1) {
      const factor = at(row, i);
      // Rectified features are often the same everywhere and then 0 when centred.
      if (factor === 0) continue;
      const out = gram.subarray(i * features, i * features + i + 1);
      for (let j = 0; j <= i; j += 1) add(out, j, factor * at(row, j));
    }
  }
  return gram;
}

function addRidge(gram: Float64Array, size: number, ridge: number): void {
  let trace = 0;
  for (let i = 0; i < size; i += 1) trace += at(gram, i * size + i);
  const step = Math.max((ridge * trace) / size, Number.MIN_VALUE);
  for (let i = 0; i < size; i += 1) add(gram, i * size + i, step);
}

/**
 * L of a = L L' in place of the lower triangle of a symmetric positive definite `a`. A work error where it is not
 * positive definite.
 */
export function choleskyInPlace(a: Float64Array, size: number): void {
  for (let i = 0; i < size; i += 1) {
    for (let j = 0; j <= i; j += 1) {
      const rest = at(a, i * size + j) - dot(a, i * size, a, j * size, j);
      if (i !== j) a[i * size + j] = rest / at(a, j * size + j);
      else if (rest > 0) a[i * size + i] = Math.sqrt(rest);
      else throw workError("the matrix is not positive definite", { got: `pivot ${i} is ${rest}` });
    }
  }
}

/** Solves L L' z = b, z in place of b. */
function solveInPlace(l: Float64Array, b: Float64Array, size: number): void {
  for (let i = 0; i < size; i += 1) {
    b[i] = (at(b, i) - dot(l, i * size, b, 0, i)) / at(l, i * size + i);
  }
  for (let i = size - 1; i >= 0; i -= 1) {
    let sum = at(b, i);
    for (let j = i + 1; j < size; j += 1) sum -= at(l, j * size + i) * at(b, j);
    b[i] = sum / at(l, i * size + i);
  }
}

/** Sum of a[aStart + k] b[bStart + k] over `length`. */
function dot(
  a: Float64Array,
  aStart: number,
  b: Float64Array,
  bStart: number,
  length: number,
): number {
  let sum = 0;
  for (let k = 0; k < length; k += 1) sum += at(a, aStart + k) * at(b, bStart + k);
  return sum;
}
