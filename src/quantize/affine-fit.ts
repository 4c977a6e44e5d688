/**
 * One factor and one offset per channel that bring a coarse value close to what it should be: least squares, held back
 * towards factor 1.
 */

/** Adds up pairs of vectors, and fits `wanted = factor * given + offset` in each place. */
export class AffineFit {
  readonly #size: number;
  readonly #sums: readonly [x: Float64Array, y: Float64Array, xx: Float64Array, xy: Float64Array];
  #count = 0;

  constructor(size: number) {
    this.#size = size;
    const zeros = (): Float64Array => new Float64Array(size);
    this.#sums = [zeros(), zeros(), zeros(), zeros()];
  }

  add(given: ArrayLike<number>, wanted: ArrayLike<number>): void {
    this.#count += 1;
    const [x, y, xx, xy] = this.#sums;
    for (let at = 0; at < this.#size; at += 1) {
      const [a, b] = [given[at] ?? 0, wanted[at] ?? 0];
      x[at] = (x[at] ?? 0) + a;
      y[at] = (y[at] ?? 0) + b;
      xx[at] = (xx[at] ?? 0) + a * a;
      xy[at] = (xy[at] ?? 0) + a * b;
    }
  }

  /**
   * `ridge` 0 gives plain least squares, a large one factor 1 with the difference of the means as offset. Values that
   * never varied keep factor 1. Pairs (1, 3), (3, 7): factor 2 and offset 1 without a ridge.
   */
  solve(ridge: number): { readonly factors: Float64Array; readonly offsets: Float64Array } {
    const [x, y, xx, xy] = this.#sums;
    const factors = new Float64Array(this.#size).fill(1);
    const offsets = new Float64Array(this.#size);
    const count = Math.max(1, this.#count);
    for (let at = 0; at < this.#size; at += 1) {
      const [xMean, yMean] = [(x[at] ?? 0) / count, (y[at] ?? 0) / count];
      const variance = (xx[at] ?? 0) / count - xMean * xMean;
      const covariance = (xy[at] ?? 0) / count - xMean * yMean;
      if (variance > 1e-12 * (xMean * xMean + 1e-12)) {
        factors[at] = (covariance + ridge * variance) / (variance * (1 + ridge));
      }
      offsets[at] = yMean - (factors[at] ?? 1) * xMean;
    }
    return { factors, offsets };
  }
}
