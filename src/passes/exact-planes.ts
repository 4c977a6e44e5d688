/**
 * Keeps integer sums exact in float32. Every integer below 2^24 is exact, in any order of summation;
 * where a layer's accumulator may pass that, its weights are split into planes
 * (`w = base * high + low`) whose own sums stay below it.
 */
import { inputError } from "../error.ts";
import { accumulatorBound } from "../fixed/accumulator.ts";

/** Float32 holds every integer of magnitude up to this. */
export const exactLimit: number = 2 ** 24;

/** Integer range of a layer's input after its zero point is taken away. */
export type Interval = { readonly lo: number; readonly hi: number };

/** Weights [out, ...] and bias [out] of a layer, as integers. */
export type IntegerWeights = {
  readonly weight: ArrayLike<number>;
  readonly bias: ArrayLike<number>;
};

/** Largest magnitude of any partial sum of the layer, in any order, bias included. */
export function layerBound(layer: IntegerWeights, x: Interval): number {
  // Padding reads as 0, so the range must hold it.
  const range = { low: Math.min(x.lo, 0), high: Math.max(x.hi, 0) };
  const bounds = accumulatorBound(layer.weight, layer.bias, range);
  return bounds.reduce(
    (worst, { partialMin, partialMax }) => Math.max(worst, -partialMin, partialMax),
    0,
  );
}

/** One summand of a split layer; it counts `factor` times. */
export type Plane = {
  readonly factor: number;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
};

/** Bases of the digits, lowest first, from no split to ever narrower digits. */
const basesTried: readonly (readonly number[])[] = [
  [],
  [64],
  [8, 8],
  [8, 8, 8],
  [4, 4, 4, 4],
  [2, 2, 2, 2, 2, 2, 2, 2],
];

/**
 * The planes of a layer, lowest first: `acc = sum(factor * plane)`, each plane exact in float32.
 * One plane where the layer itself is. Throws where even the narrowest do not suffice.
 */
export function exactPlanes(layer: IntegerWeights, x: Interval, node?: string): readonly Plane[] {
  for (const bases of basesTried) {
    const planes = split(layer, bases);
    // Planes leave room for the carries that their recombination hands upwards.
    const limit = planes.length === 1 ? exactLimit : exactLimit / 2;
    const fits = planes.every(({ weight, bias }) => layerBound({ weight, bias }, x) < limit);
    if (fits) return planes;
  }
  throw inputError("the accumulator is too wide for exact simulation", {
    node,
    expected: `planes below 2^24`,
    got: `a bound of ${layerBound(layer, x)}`,
    hint: "The layer sums more products than any supported chip; split its input channels",
  });
}

/** Digits of weights and bias in mixed base, balanced around 0; the last plane takes what is left. */
function split(layer: IntegerWeights, bases: readonly number[]): readonly Plane[] {
  let weight = Float32Array.from(layer.weight);
  let bias = Float64Array.from({ length: layer.bias.length }, (_, at) => layer.bias[at] ?? 0);
  let factor = 1;
  const planes: Plane[] = [];
  for (const base of bases) {
    const [weightDigits, biasDigits] = [digits(weight, base), digits(bias, base)];
    planes.push({ factor, weight: weightDigits.low, bias: biasDigits.low });
    weight = weightDigits.high;
    bias = Float64Array.from(biasDigits.high);
    factor *= base;
  }
  return [...planes, { factor, weight, bias: Float32Array.from(bias) }];
}

/** `value = base * high + low`, `-base/2 <= low < base/2`. */
function digits(
  values: Float32Array | Float64Array,
  base: number,
): { readonly high: Float32Array<ArrayBuffer>; readonly low: Float32Array<ArrayBuffer> } {
  const high = new Float32Array(values.length);
  const low = new Float32Array(values.length);
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? 0;
    const quotient = Math.floor(value / base + 0.5);
    high[at] = quotient;
    low[at] = value - base * quotient;
  }
  return { high, low };
}
