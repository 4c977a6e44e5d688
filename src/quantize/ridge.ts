/**
 * A correction of linear weights by ridge regression: the smallest change D (and an offset) that takes away what the
 * layer's output is wrong by. How small is chosen on samples that the fit has not seen.
 */
import { factorize, solveRows } from "../tensor/cholesky.ts";

/** Samples in C order: `x` [count, features], `residual` [count, targets]. */
export type Samples = {
  readonly x: Float32Array;
  readonly residual: Float32Array;
  readonly count: number;
};

export type Correction = {
  /** [targets, features]: to be added to the weights. */
  readonly weight: Float64Array;
  /** [targets]. */
  readonly offset: Float64Array;
  /** Mean squared residual of the unseen samples, with an offset alone and with the correction. */
  readonly before: number;
  readonly after: number;
};

/** Ridges tried, in units of the mean variance of a feature. */
const ridges: readonly number[] = [1, 0.1, 0.01];

/**
 * `D, d` that minimize `sum |residual - D x - d|^2 + ridge * variance * count * |D|^2` over `seen`, with the ridge of
 * which `unseen` has the smallest error; D 0 where none is better than an offset alone. The offset is that of all
 * samples.
 */
export function ridgeCorrection(seen: Samples, unseen: Samples): Correction {
  const features = seen.x.length / Math.max(seen.count, 1);
  const targets = seen.residual.length / Math.max(seen.count, 1);
  const moments = momentsOf(seen, features, targets);
  const before = error(unseen, moments, new Float64Array(targets * features));
  let best = { weight: new Float64Array(targets * features), after: before };
  for (const ridge of ridges) {
    const weight = solution(moments, features, ridge);
    if (weight === undefined) continue;
    const after = error(unseen, moments, weight);
    if (after < best.after) best = { weight, after };
  }
  return { ...best, offset: offsetOf(moments, best.weight, features), before };
}

type Moments = {
  readonly xMean: Float64Array;
  readonly rMean: Float64Array;
  /** [features, features], centred; the lower triangle. */
  readonly gram: Float64Array;
  /** [targets, features], centred. */
  readonly cross: Float64Array;
  readonly count: number;
};

function momentsOf({ x, residual, count }: Samples, features: number, targets: number): Moments {
  const [xMean, rMean] = [means(x, count, features), means(residual, count, targets)];
  const gram = new Float64Array(features * features);
  const cross = new Float64Array(targets * features);
  const row = new Float64Array(features);
  for (let sample = 0; sample < count; sample += 1) {
    for (let f = 0; f < features; f += 1) {
      row[f] = (x[sample * features + f] ?? 0) - (xMean[f] ?? 0);
    }
    for (let f = 0; f < features; f += 1) {
      const factor = row[f] ?? 0;
      const at = f * features;
      for (let g = 0; g <= f; g += 1) gram[at + g] = (gram[at + g] ?? 0) + factor * (row[g] ?? 0);
    }
    for (let t = 0; t < targets; t += 1) {
      const factor = (residual[sample * targets + t] ?? 0) - (rMean[t] ?? 0);
      const at = t * features;
      for (let f = 0; f < features; f += 1)
        cross[at + f] = (cross[at + f] ?? 0) + factor * (row[f] ?? 0);
    }
  }
  return { xMean, rMean, gram, cross, count };
}

function means(rows: Float32Array, count: number, width: number): Float64Array {
  const sums = new Float64Array(width);
  for (let at = 0; at < rows.length; at += 1) {
    const column = at % width;
    sums[column] = (sums[column] ?? 0) + (rows[at] ?? 0);
  }
  return sums.map((sum) => sum / Math.max(count, 1));
}

/** D for one ridge; undefined where the features do not vary at all. */
function solution(
  { gram, cross }: Moments,
  features: number,
  ridge: number,
): Float64Array<ArrayBuffer> | undefined {
  let trace = 0;
  for (let f = 0; f < features; f += 1) trace += gram[f * features + f] ?? 0;
  if (!(trace > 0)) return undefined;
  const regular = gram.slice();
  for (let f = 0; f < features; f += 1) {
    regular[f * features + f] = (regular[f * features + f] ?? 0) + (ridge * trace) / features;
  }
  factorize(regular, features);
  const weight = cross.slice();
  solveRows(regular, weight, features);
  return weight;
}

function offsetOf({ xMean, rMean }: Moments, weight: Float64Array, features: number): Float64Array {
  return rMean.map((mean, target) => {
    let sum = 0;
    for (let f = 0; f < features; f += 1)
      sum += (weight[target * features + f] ?? 0) * (xMean[f] ?? 0);
    return mean - sum;
  });
}

/** Mean squared residual that is left, with the offset of the seen samples. */
function error({ x, residual, count }: Samples, moments: Moments, weight: Float64Array): number {
  const features = moments.xMean.length;
  const targets = moments.rMean.length;
  const offset = offsetOf(moments, weight, features);
  let sum = 0;
  for (let sample = 0; sample < count; sample += 1) {
    const from = sample * features;
    for (let target = 0; target < targets; target += 1) {
      const at = target * features;
      let left = (residual[sample * targets + target] ?? 0) - (offset[target] ?? 0);
      for (let f = 0; f < features; f += 1) left -= (weight[at + f] ?? 0) * (x[from + f] ?? 0);
      sum += left * left;
    }
  }
  return sum / Math.max(count * targets, 1);
}
