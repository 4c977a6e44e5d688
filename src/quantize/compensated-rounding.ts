/**
 * Weights rounded one after the other, each with regard to what those before it lost: taps that vary together make good
 * each other's errors. Nothing is trained. It is GPTQ (Frantar et al. 2022) in the form of Babai's nearest plane, which was
 * shown to be the same (Chen et al. 2025): one Cholesky factor and no inverse.
 */
import { workError } from "../error.ts";
import { roundByHalf } from "../fixed/layer-shift.ts";

/** Added to the second moments' diagonal, relative to its mean: taps that no picture moves must not take everything. */
const damping = 0.03;

export type RoundingTask = {
  /** `[outputs, taps]`, on the grid: an integer is a level. Changed to what was rounded. */
  readonly weight: Float64Array;
  /** Centred second moments of what the taps read, `[taps, taps]`. */
  readonly moments: Float64Array;
  readonly taps: number;
  /** Largest magnitude of an integer. */
  readonly largest: number;
};

/**
 * Rounds every row. With moments M = R'R, R upper triangular, the squared error of a row's sums is `|R (w - q)|^2`: from the
 * last tap to the first, `q_j = round(w_j + sum_{k > j} R_jk (w_k - q_k) / R_jj)`. The taps that vary most are put last, so
 * that they are rounded first.
 */
export function roundCompensated({ weight, moments, taps, largest }: RoundingTask): void {
  const order = Int32Array.from({ length: taps }, (_, tap) => tap).sort(
    (a, b) => (moments[a * taps + a] ?? 0) - (moments[b * taps + b] ?? 0),
  );
  const factor = choleskyOf(moments, order);
  const lost = new Float64Array(taps);
  for (let row = 0; row < weight.length; row += taps) {
    for (let j = taps - 1; j >= 0; j -= 1) {
      const at = row + (order[j] ?? 0);
      const own = weight[at] ?? 0;
      const level = roundByHalf(own + carried(factor, lost, j));
      const kept = Math.min(Math.max(level, -largest), largest);
      lost[j] = own - kept;
      weight[at] = kept;
    }
  }
}

/** `sum_{k > j} R_jk lost_k / R_jj`. */
function carried(factor: Float64Array, lost: Float64Array, j: number): number {
  const taps = lost.length;
  let sum = 0;
  for (let k = j + 1, at = j * taps + k; k < taps; k += 1, at += 1) sum += factor[at]! * lost[k]!;
  return sum / factor[j * taps + j]!;
}

/** R of the damped moments, rows and columns in this order. */
function choleskyOf(moments: Float64Array, order: Int32Array): Float64Array {
  const taps = order.length;
  const factor = damped(moments, order);
  for (let k = 0; k < taps; k += 1) {
    const pivot = factor[k * taps + k] ?? 0;
    if (!(pivot > 0)) throw workError("the moments of a layer's inputs are not positive");
    const row = factor.subarray(k * taps, (k + 1) * taps);
    const root = Math.sqrt(pivot);
    for (let j = k; j < taps; j += 1) row[j]! /= root;
    for (let i = k + 1; i < taps; i += 1) {
      if (row[i] !== 0) subtract(factor.subarray(i * taps, (i + 1) * taps), row, i);
    }
  }
  return factor;
}

/** `own -= other[from] * other`, from there on. */
function subtract(own: Float64Array, other: Float64Array, from: number): void {
  const share = other[from]!;
  for (let j = from; j < own.length; j += 1) own[j]! -= share * other[j]!;
}

/** The upper half of the moments with a part of their diagonal's mean added to it. */
function damped(moments: Float64Array, order: Int32Array): Float64Array {
  const taps = order.length;
  const matrix = new Float64Array(taps * taps);
  let trace = 0;
  for (let i = 0; i < taps; i += 1) {
    const from = (order[i] ?? 0) * taps;
    for (let j = i; j < taps; j += 1) matrix[i * taps + j] = moments[from + (order[j] ?? 0)] ?? 0;
    trace += matrix[i * taps + i]!;
  }
  // Where nothing varies, every weight is rounded alone.
  const ridge = trace > 0 ? (damping * trace) / taps : 1;
  for (let i = 0; i < taps; i += 1) matrix[i * taps + i]! += ridge;
  return matrix;
}
