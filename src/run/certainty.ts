/**
 * How sure a classifier is of pictures, and whether it is surer of one set of runs than of another. Labels
 * are not needed.
 */
import type { Tensor } from "../tensor/tensor.ts";

/** The probabilities of each of `pictures`; a softmax is taken where the network ends before it. */
export function probabilities(
  scores: Tensor<"float32">,
  pictures: number,
): readonly Float64Array[] {
  const classes = scores.data.length / pictures;
  return Array.from({ length: pictures }, (_, at) =>
    asProbabilities(scores.data.subarray(at * classes, (at + 1) * classes)),
  );
}

function asProbabilities(values: Float32Array): Float64Array {
  const sum = values.reduce((a, b) => a + b, 0);
  if (Math.abs(sum - 1) < 1e-3 && values.every((value) => value >= 0)) {
    return Float64Array.from(values);
  }
  const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
  const exps = Float64Array.from(values, (value) => Math.exp(value - largest));
  const total = exps.reduce((a, b) => a + b, 0);
  return exps.map((value) => value / total);
}

/** Entropy in nats: 0 where one class has all. */
export function entropy(distribution: Float64Array): number {
  return -distribution.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0);
}

/** The largest total variation distance 0..1 of a distribution from the mean of all. */
export function variety(distributions: readonly Float64Array[]): number {
  const [first] = distributions;
  if (first === undefined) return 0;
  const mean = first.map(
    (_, at) => distributions.reduce((sum, p) => sum + (p[at] ?? 0), 0) / distributions.length,
  );
  const distances = distributions.map(
    (p) => p.reduce((sum, value, at) => sum + Math.abs(value - (mean[at] ?? 0)), 0) / 2,
  );
  return distances.reduce((a, b) => Math.max(a, b), 0);
}

/** Student's t of paired differences against 0; 0 where they do not differ at all. */
export function pairedT(differences: readonly number[]): number {
  const n = differences.length;
  const mean = differences.reduce((a, b) => a + b, 0) / n;
  const squares = differences.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return n < 2 || squares === 0 ? 0 : mean / Math.sqrt(squares / (n - 1) / n);
}
