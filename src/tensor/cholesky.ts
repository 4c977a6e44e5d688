/**
 * Symmetric positive definite systems in double precision: L L' = A, and solutions of A z = b for many b at once.
 */
import { workError } from "../error.ts";

/**
 * L in place of the lower triangle of `a` [size, size] in C order. A work error where `a` is not positive definite.
 */
export function factorize(a: Float64Array, size: number): void {
  for (let row = 0; row < size; row += 1) {
    const start = row * size;
    for (let column = 0; column <= row; column += 1) {
      const other = column * size;
      let rest = a[start + column] ?? 0;
      for (let k = 0; k < column; k += 1) rest -= (a[start + k] ?? 0) * (a[other + k] ?? 0);
      if (row !== column) a[start + column] = rest / (a[other + column] ?? 1);
      else if (rest > 0) a[start + row] = Math.sqrt(rest);
      else {
        throw workError("the matrix is not positive definite", { got: `pivot ${row} is ${rest}` });
      }
    }
  }
}

/**
 * Solves L L' z = b for every row of `b` [count, size], in place; `l` as `factorize` leaves it.
 */
export function solveRows(l: Float64Array, b: Float64Array, size: number): void {
  const upper = transposed(l, size);
  for (let start = 0; start < b.length; start += size) {
    for (let row = 0; row < size; row += 1) {
      const at = row * size;
      let rest = b[start + row] ?? 0;
      for (let k = 0; k < row; k += 1) rest -= (l[at + k] ?? 0) * (b[start + k] ?? 0);
      b[start + row] = rest / (l[at + row] ?? 1);
    }
    for (let row = size - 1; row >= 0; row -= 1) {
      const at = row * size;
      let rest = b[start + row] ?? 0;
      for (let k = row + 1; k < size; k += 1) rest -= (upper[at + k] ?? 0) * (b[start + k] ?? 0);
      b[start + row] = rest / (upper[at + row] ?? 1);
    }
  }
}

function transposed(l: Float64Array, size: number): Float64Array {
  const upper = new Float64Array(size * size);
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column <= row; column += 1) {
      upper[column * size + row] = l[row * size + column] ?? 0;
    }
  }
  return upper;
}
