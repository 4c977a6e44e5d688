/**
 * The masked schemes: every kernel of k x k taps gets one magnitude, and each tap a small multiple (a level)
 * of it. The rows say which levels exist and how magnitude and level come from the weights.
 *
 * Means, quotients and products are doubles; only what is stored is float32. The magnitude is rounded to
 * the layer's grid; the levels of three and five bits are found with the one before rounding.
 */
import { usageError } from "../error.ts";
import { epsilon, roundByHalf, roundToGrid } from "./layer-shift.ts";
import type { Precision } from "./precision.ts";

export type MaskedPrecision = Exclude<Precision, "float" | "dynamic">;

export type MaskedScheme = {
  /** Bits of a tap's mask. */
  readonly bits: 1 | 2 | 3 | 5;
  /** Multiples of the magnitude, without their signs, ascending. */
  readonly levels: readonly number[];
  /** The magnitude before rounding: `(statistic(|w|) + epsilon) / divisor`. */
  readonly statistic: "mean" | "max";
  readonly epsilon: number;
  readonly divisor: number;
  /** Bits of a bias, sign included, beside 12-bit magnitudes; beside 8-bit ones it has 20. */
  readonly biasBits: number;
  /** The signed level of `w`, given the magnitude before and after rounding. */
  readonly level: (w: number, exact: number, rounded: number) => number;
};

/** `w >= 0 -> 1`, else -1: there is no zero. */
function signLevel(w: number): number {
  return w >= 0 ? 1 : -1;
}

/** 0 below a quarter of the *rounded* magnitude, else the sign. Magnitude 1: `0.25 -> 1, 0.2 -> 0`. */
function ternaryLevel(w: number, _exact: number, rounded: number): number {
  return Math.abs(w) < 0.25 * rounded ? 0 : signLevel(w);
}

/** Whole multiples, towards zero, and 4 from 3 on. Magnitude 1: `1.9 -> 1, 2 -> 2, 3 -> 4, -0.5 -> -0`. */
function powerLevel(w: number, exact: number): number {
  const multiple = Math.trunc(Math.abs(w) / exact);
  const level = multiple >= 3 ? 4 : multiple;
  return w >= 0 ? level : -level;
}

/** The nearest multiple, half away from zero. Magnitude 1: `0.5 -> 1, -1.4 -> -1`. */
function linearLevel(w: number, exact: number): number {
  return roundByHalf(w / exact);
}

export const maskedSchemes: Readonly<Record<MaskedPrecision, MaskedScheme>> = {
  oneBit: {
    bits: 1,
    levels: [1],
    statistic: "mean",
    epsilon,
    divisor: 1,
    biasBits: 12,
    level: signLevel,
  },
  twoBits: {
    bits: 2,
    levels: [0, 1],
    statistic: "mean",
    epsilon: 0,
    divisor: 1,
    biasBits: 12,
    level: ternaryLevel,
  },
  threeBits: {
    bits: 3,
    levels: [0, 1, 2, 4],
    statistic: "mean",
    epsilon,
    divisor: 4,
    biasBits: 18,
    level: powerLevel,
  },
  fiveBits: {
    bits: 5,
    levels: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    statistic: "max",
    epsilon,
    divisor: 15,
    biasBits: 16,
    level: linearLevel,
  },
};

/**
 * Every weight as `level * magnitude` of its kernel; `taps` weights in a row are a kernel. Without a shift
 * the magnitudes stay as they are.
 *
 * Two bits, shift 2, one kernel `[1, -1, 0.05, 0.15]`: the mean 0.55 becomes 0.5, the threshold is 0.125, so
 * `[0.5, -0.5, 0, 0.5]`.
 */
export function roundKernels(
  weight: Float32Array,
  taps: number,
  scheme: MaskedScheme,
  shift: number | undefined,
): Float32Array {
  const rounded = new Float32Array(weight.length);
  for (let first = 0; first < weight.length; first += taps) {
    const exact = exactMagnitude(weight, first, taps, scheme);
    const magnitude = shift === undefined ? exact : roundToGrid(exact, shift);
    for (let at = first; at < first + taps; at += 1) {
      rounded[at] = scheme.level(weight[at]!, exact, magnitude) * magnitude;
    }
  }
  return rounded;
}

/** A kernel's magnitude before rounding. A sum of doubles in the order of the taps. */
function exactMagnitude(
  weight: Float32Array,
  first: number,
  taps: number,
  scheme: MaskedScheme,
): number {
  let [sum, max] = [0, 0];
  for (let at = first; at < first + taps; at += 1) {
    const size = Math.abs(weight[at]!);
    sum += size;
    if (size > max) max = size;
  }
  const statistic = scheme.statistic === "mean" ? sum / taps : max;
  return (statistic + scheme.epsilon) / scheme.divisor;
}

/** Throws where `count` weights are no whole number of kernels. */
export function checkKernels(count: number, taps: number, node?: string | undefined): void {
  if (!(Number.isInteger(taps) && taps >= 1 && count % taps === 0)) {
    throw usageError("weights do not divide into kernels", {
      node,
      expected: `a multiple of ${taps} weights`,
      got: `${count}`,
    });
  }
}
