/**
 * Error statistics of one tensor against another, gathered piece by piece.
 */

/** Sums over all elements seen so far. */
export type LayerError = {
  readonly count: number;
  readonly dot: number;
  readonly floatSquares: number;
  readonly quantizedSquares: number;
  readonly errorSquares: number;
  readonly maxAbsError: number;
  /** Float values beyond what the grid holds, by more than half a step. */
  readonly saturated: number;
  /** Float values other than 0 that became 0. */
  readonly underflowed: number;
};

export const noError: LayerError = {
  count: 0,
  dot: 0,
  floatSquares: 0,
  quantizedSquares: 0,
  errorSquares: 0,
  maxAbsError: 0,
  saturated: 0,
  underflowed: 0,
};

/** Real values that a grid can represent; infinite where there is no grid. */
export type Representable = { readonly lo: number; readonly hi: number };

/** Adds a pair of tensors: `quantized[i] * step` stands for `float[i]`. */
export function addError(
  sofar: LayerError,
  float: ArrayLike<number>,
  quantized: ArrayLike<number>,
  step: number,
  range: Representable,
): LayerError {
  let { dot, floatSquares, quantizedSquares, errorSquares, maxAbsError } = sofar;
  let { saturated, underflowed } = sofar;
  const [low, high] = [range.lo - step / 2, range.hi + step / 2];
  for (let at = 0; at < float.length; at += 1) {
    const wanted = float[at]!;
    const got = quantized[at]! * step;
    const error = wanted - got;
    dot += wanted * got;
    floatSquares += wanted * wanted;
    quantizedSquares += got * got;
    errorSquares += error * error;
    const magnitude = error < 0 ? -error : error;
    if (magnitude > maxAbsError) maxAbsError = magnitude;
    if (wanted < low || wanted > high) saturated += 1;
    if (got === 0 && wanted !== 0) underflowed += 1;
  }
  return {
    count: sofar.count + float.length,
    dot,
    floatSquares,
    quantizedSquares,
    errorSquares,
    maxAbsError,
    saturated,
    underflowed,
  };
}

/** Highest ratio that is told apart from "no error". */
const cleanDb = 200;

/** Signal to quantization noise, `10 log10(sum(x^2) / sum(error^2))`; null for an all-zero signal. */
export function sqnrDb(error: LayerError): number | null {
  if (error.errorSquares === 0) return cleanDb;
  if (error.floatSquares === 0) return null;
  return Math.min(cleanDb, 10 * Math.log10(error.floatSquares / error.errorSquares));
}

/** Cosine of the angle between both tensors; null where one is all zero. */
export function cosine(error: LayerError): number | null {
  const norm = Math.sqrt(error.floatSquares) * Math.sqrt(error.quantizedSquares);
  return norm === 0 ? null : Math.min(1, error.dot / norm);
}

/** A share of the elements in percent. */
export function percentOf(part: number, error: LayerError): number | null {
  return error.count === 0 ? null : (100 * part) / error.count;
}
