/**
 * Ridge regression for a handful of unknowns: the smallest change of a linear filter that takes away what its output is
 * wrong by.
 */
import { workError } from "../error.ts";

/** Sums over samples of `[x, 1] [x, 1]'` and of `[x, 1] * residual`; `features + 1` unknowns. */
export class NormalEquations {
  readonly #size: number;
  readonly #gram: Float64Array;
  readonly #right: Float64Array;
  #count = 0;

  constructor(features: number) {
    this.#size = features + 1;
    this.#gram = new Float64Array(this.#size * this.#size);
    this.#right = new Float64Array(this.#size);
  }

  get count(): number {
    return this.#count;
  }

  /** One sample: `features` values from `start` on, and what is missing in the output. */
  add(x: Float32Array, start: number, residual: number): void {
    const size = this.#size;
    this.#count += 1;
    for (let row = 0; row < size; row += 1) {
      const left = row === size - 1 ? 1 : (x[start + row] ?? 0);
      this.#right[row] = (this.#right[row] ?? 0) + left * residual;
      for (let column = 0; column <= row; column += 1) {
        const right = column === size - 1 ? 1 : (x[start + column] ?? 0);
        const at = row * size + column;
        this.#gram[at] = (this.#gram[at] ?? 0) + left * right;
      }
    }
  }

  /**
   * `features` changes of the weights and one of the offset. `ridge` is in units of the mean square of a feature; the
   * offset is free.
   */
  solve(ridge: number): Float64Array {
    const size = this.#size;
    const gram = this.#gram.slice();
    let trace = 0;
    for (let row = 0; row < size - 1; row += 1) trace += gram[row * size + row] ?? 0;
    const step = (ridge * trace) / Math.max(1, size - 1) + Number.MIN_VALUE;
    for (let row = 0; row < size - 1; row += 1) {
      gram[row * size + row] = (gram[row * size + row] ?? 0) + step;
    }
    factorize(gram, size);
    return substituted(gram, this.#right, size);
  }
}

/** L of `a = L L'` in place of the lower triangle. */
function factorize(a: Float64Array, size: number): void {
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      const rest = (a[row * size + column] ?? 0) - products(a, row * size, column * size, column);
      if (row !== column) a[row * size + column] = rest / (a[column * size + column] ?? 1);
      else if (rest > 0) a[row * size + row] = Math.sqrt(rest);
      else throw workError("the matrix is not positive definite", { got: `pivot ${row}: ${rest}` });
    }
  }
}

function products(a: Float64Array, left: number, right: number, count: number): number {
  let sum = 0;
  for (let k = 0; k < count; k += 1) sum += (a[left + k] ?? 0) * (a[right + k] ?? 0);
  return sum;
}

/** z of `L L' z = b`. */
function substituted(l: Float64Array, b: Float64Array, size: number): Float64Array {
  const z = b.slice();
  for (let row = 0; row < size; row += 1) {
    let rest = z[row] ?? 0;
    for (let k = 0; k < row; k += 1) rest -= (l[row * size + k] ?? 0) * (z[k] ?? 0);
    z[row] = rest / (l[row * size + row] ?? 1);
  }
  for (let row = size - 1; row >= 0; row -= 1) {
    let rest = z[row] ?? 0;
    for (let k = row + 1; k < size; k += 1) rest -= (l[k * size + row] ?? 0) * (z[k] ?? 0);
    z[row] = rest / (l[row * size + row] ?? 1);
  }
  return z;
}
