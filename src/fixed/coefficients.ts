/**
 * Weights and biases of a convolution as the GTI chips can hold them: the definition of `quantConv`, and the
 * converter's variation of it. Level sets are in kernel-levels.ts, the choice of the shift in layer-shift.ts.
 *
 * Nothing is ever clipped. A range is kept only by the choice of the shift: one large bias lowers it until
 * small kernels round to 0. The results say so (`vanished`, `allZero`), for callers to warn.
 */
import { inputError, usageError } from "../error.ts";
import {
  checkKernels,
  type MaskedPrecision,
  maskedSchemes,
  roundKernels,
} from "./kernel-levels.ts";
import {
  type LayerShift,
  largestMagnitude,
  layerShift,
  layerShiftMax,
  maxMagnitude,
  roundAllToGrid,
  roundByHalf,
  type ShiftVariant,
} from "./layer-shift.ts";
import type { Precision } from "./precision.ts";

export type Coefficients = {
  /** `[out, in / groups, kh, kw]` in C order. */
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
  /** Weights of one kernel: `kh * kw`. */
  readonly taps: number;
  /** For errors: `quantConv "conv1"`. */
  readonly node?: string | undefined;
};

/** What callers warn about and report. */
type CoefficientFacts = {
  readonly maxWeight: number;
  /** Undefined where there is no bias. */
  readonly maxBias: number | undefined;
  /** No weight differs from 0. */
  readonly allZero: boolean;
  /** Kernels that had a weight other than 0 and have none any more. */
  readonly vanished: number;
};

export type QuantizedCoefficients = CoefficientFacts & {
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
  /** Weights and bias are integers times `2^-shift`; undefined where they lie on no common grid. */
  readonly shift: number | undefined;
};

export type ReslicedCoefficients = QuantizedCoefficients & LayerShift;

export type CoefficientRule = {
  readonly precision: Precision;
  /** Bits of a stored magnitude (`bw_params`), sign included: 2 to 31. */
  readonly parameterBits: number;
  readonly shiftEnabled: boolean;
};

export type ResliceRule = {
  /** Bits of a weight as the network JSON names them; 8 and 12 are dynamic fixed point. */
  readonly bits: 1 | 2 | 3 | 5 | 8 | 12;
  readonly parameterBits: number;
  readonly shiftMax: number;
  /** Bits of a bias, sign included, where the chip's differ from the usual ones. */
  readonly biasBits?: number | undefined;
};

const precisionOfBits: Readonly<Record<ResliceRule["bits"], "dynamic" | MaskedPrecision>> = {
  1: "oneBit",
  2: "twoBits",
  3: "threeBits",
  5: "fiveBits",
  8: "dynamic",
  12: "dynamic",
};

/**
 * Bits of a bias, sign included: 20 beside 8-bit magnitudes; beside others 12 for one and two bits, 18 for
 * three, 16 for five, 20 for dynamic fixed point. Widths other than 8 and 12 exist in training alone and are
 * taken like 12.
 */
export function biasBitsOf(precision: Exclude<Precision, "float">, parameterBits: number): number {
  return parameterBits === 8 || precision === "dynamic" ? 20 : maskedSchemes[precision].biasBits;
}

/**
 * What a quantized convolution computes with.
 *
 * With `shiftEnabled`, magnitudes (or weights) and bias lie on the grid of the layer's shift. Dynamic fixed point chooses
 * it by the weights alone. Without, magnitudes are any float32 and the bias is left as it is; dynamic fixed
 * point uses the grid `max|W| / (2^(parameterBits - 1) - 1)`. `float` changes nothing.
 *
 * Weights that are all 0 stay 0 in dynamic fixed point and ask for the largest shift. (One bit has no zero: without
 * a shift they become 1e-6.) Throws where counts do not fit or a number is not finite.
 *
 * Dynamic, 8 bits, shift enabled, weights `[1, -0.51], bias [0.3]`: `floor(log2(127 / 1)) = 6`, so
 * `[64, -33] / 64, bias 19 / 64`.
 */
export function quantizeCoefficients(
  layer: Coefficients,
  rule: CoefficientRule,
): QuantizedCoefficients {
  const { precision, parameterBits } = rule;
  const peaks = checkedPeaks(layer, parameterBits);
  if (precision === "float") return finish(layer, peaks, layer.weight, undefined);
  if (!rule.shiftEnabled) {
    const weight =
      precision === "dynamic"
        ? roundToSteps(layer.weight, peaks.maxWeight / largestMagnitude(parameterBits))
        : roundKernels(layer.weight, layer.taps, maskedSchemes[precision], undefined);
    return finish(layer, peaks, weight, undefined);
  }
  const shiftMax = layerShiftMax(parameterBits);
  const { shift } = shiftOf(peaks, precision, { ...rule, shiftMax }, "layer");
  const weight =
    precision === "dynamic"
      ? roundAllToGrid(layer.weight, shift)
      : roundKernels(layer.weight, layer.taps, maskedSchemes[precision], shift);
  return finish(layer, peaks, weight, shift);
}

/**
 * What a converter writes: as `quantizeCoefficients` with its shift enabled, save that maxima are raised to
 * 1e-6 instead of adding it, that the largest shift is given, and that a weight of 0 in dynamic fixed point
 * becomes -0. `shift` is the one used; `weightShift` and `biasShift` are what either would get alone.
 *
 * One bit, 12-bit magnitudes, shiftMax 13: `max|W| 0.01, max|B| 255.875 -> weightShift 13, biasShift 3, shift 3`,
 * and kernels of 0.01 vanish.
 */
export function resliceCoefficients(layer: Coefficients, rule: ResliceRule): ReslicedCoefficients {
  const precision = precisionOfBits[rule.bits];
  const peaks = checkedPeaks(layer, rule.parameterBits);
  if (!(Number.isInteger(rule.shiftMax) && rule.shiftMax >= 0 && rule.shiftMax <= 31)) {
    throw usageError("the largest shift is out of range", {
      node: layer.node,
      expected: "0 to 31",
      got: `${rule.shiftMax}`,
    });
  }
  const shifts = shiftOf(peaks, precision, rule, "converter");
  const weight =
    precision === "dynamic"
      ? negativeZeros(roundAllToGrid(layer.weight, shifts.shift), layer.weight)
      : roundKernels(layer.weight, layer.taps, maskedSchemes[precision], shifts.shift);
  return { ...finish(layer, peaks, weight, shifts.shift), ...shifts };
}

type Peaks = Pick<CoefficientFacts, "maxWeight" | "maxBias">;

/** The layer's shift; in dynamic fixed point the bias has no say. */
function shiftOf(
  { maxWeight, maxBias }: Peaks,
  precision: Exclude<Precision, "float">,
  rule: Pick<ResliceRule, "parameterBits" | "shiftMax" | "biasBits">,
  variant: ShiftVariant,
): LayerShift {
  const biasBits = rule.biasBits ?? biasBitsOf(precision, rule.parameterBits);
  const shifts = layerShift(maxWeight, maxBias, { ...rule, biasBits }, variant);
  return precision === "dynamic" ? { ...shifts, shift: shifts.weightShift } : shifts;
}

function finish(
  { weight, bias, taps }: Coefficients,
  peaks: Peaks,
  rounded: Float32Array,
  shift: number | undefined,
): QuantizedCoefficients {
  return {
    weight: rounded,
    bias: bias === undefined || shift === undefined ? bias : roundAllToGrid(bias, shift),
    shift,
    ...peaks,
    allZero: peaks.maxWeight === 0,
    vanished: rounded === weight ? 0 : countVanished(weight, rounded, taps),
  };
}

/** `R(w / step) * step`; a step of 0 (all weights are 0) gives zeros. */
function roundToSteps(weight: Float32Array, step: number): Float32Array {
  const rounded = new Float32Array(weight.length);
  if (step === 0) return rounded;
  for (let at = 0; at < weight.length; at += 1) {
    rounded[at] = roundByHalf(weight[at]! / step) * step;
  }
  return rounded;
}

/** The converter rounds 0 as if it were negative. Changes `rounded`. */
function negativeZeros(rounded: Float32Array, weight: Float32Array): Float32Array {
  for (let at = 0; at < weight.length; at += 1) if (weight[at] === 0) rounded[at] = -0;
  return rounded;
}

function countVanished(weight: Float32Array, rounded: Float32Array, taps: number): number {
  let vanished = 0;
  for (let first = 0; first < weight.length; first += taps) {
    let [before, after] = [false, false];
    for (let at = first; at < first + taps; at += 1) {
      before ||= weight[at] !== 0;
      after ||= rounded[at] !== 0;
    }
    if (before && !after) vanished += 1;
  }
  return vanished;
}

function checkedPeaks(layer: Coefficients, parameterBits: number): Peaks {
  const { weight, bias, taps } = layer;
  if (!(Number.isInteger(parameterBits) && parameterBits >= 2 && parameterBits <= 31)) {
    throw usageError("bits of a magnitude are out of range", {
      node: layer.node,
      expected: "2 to 31",
      got: `${parameterBits}`,
    });
  }
  checkKernels(weight.length, taps, layer.node);
  checkFinite(weight, "weight", layer);
  if (bias !== undefined) checkFinite(bias, "bias", layer);
  return {
    maxWeight: maxMagnitude(weight),
    maxBias: bias === undefined ? undefined : maxMagnitude(bias),
  };
}

function checkFinite(values: Float32Array, what: string, layer: Coefficients): void {
  for (let index = 0; index < values.length; index += 1) {
    if (!Number.isFinite(values[index]!)) {
      throw inputError(`a ${what} is not finite`, {
        node: layer.node,
        got: `${values[index]} at ${index}`,
      });
    }
  }
}

/**
 * `values * 2^shift` as integers. Throws where a product is no integer or needs more than 32 bits.
 *
 * Shift 6: `[1, -0.515625] -> [64, -33]`; `0.01` is refused.
 */
export function coefficientIntegers(values: Float32Array, shift: number): Int32Array {
  const scale = 2 ** shift;
  const integers = new Int32Array(values.length);
  for (let index = 0; index < values.length; index += 1) {
    const product = values[index]! * scale;
    // The conversion to int32 wraps and truncates: what it changes is not such an integer.
    if ((product | 0) !== product) {
      throw usageError("a coefficient is no 32-bit integer on the grid of its shift", {
        expected: `a multiple of 2^-${shift}`,
        got: `${values[index]} at ${index}`,
      });
    }
    integers[index] = product;
  }
  return integers;
}
