/**
 * The coefficients of a quantized convolution, rounded inside the training step: fixed/coefficients.ts as ONNX nodes.
 * Gradients are no matter of this file.
 *
 * Statistics, quotients and magnitudes are doubles, as the definition has them, so that the same floats come out of the
 * same operations. A kernel's magnitude is spread over its taps by a matrix product with ones: ONNX Runtime is ten
 * times slower where it broadcasts along rows of nine.
 */
import { biasBitsOf, type CoefficientRule } from "../fixed/coefficients.ts";
import { type MaskedPrecision, maskedSchemes } from "../fixed/kernel-levels.ts";
import { largestMagnitude, layerShift, layerShiftMax } from "../fixed/layer-shift.ts";
import type { Precision } from "../fixed/precision.ts";
import { type Attribute, int, ints } from "../formats/onnx/attribute.ts";
import { elementCode } from "../formats/onnx/element-types.ts";
import type { Shape } from "../tensor/shape.ts";
import { float32, tensor } from "../tensor/tensor.ts";
import type { Tape } from "./tape.ts";

/** Names of a layer's values. */
export type CoefficientNames = { readonly weight: string; readonly bias: string | undefined };

/**
 * Emits the rounding of a weight `[out, in / groups, kh, kw]` and a bias `[out]`, both float32, and gives the names of
 * what they become. Equal to `quantizeCoefficients` number by number, the signs of zeros aside, where
 *
 * - no weight needs more than 31 bits on the layer's grid (a diverged layer may), and
 * - the sum of a kernel's magnitudes is exact in double in any order, which it is where they span less than 2^25.
 */
export function roundCoefficients(
  layer: CoefficientNames & { readonly shape: Shape },
  rule: CoefficientRule,
  tape: Tape,
): CoefficientNames {
  const { precision } = rule;
  if (precision === "float") return layer;
  const rows = rowsOf(layer, tape);
  const grid = rule.shiftEnabled
    ? gridOf(rows.size, layer.bias, { ...rule, precision }, tape)
    : undefined;
  const values =
    precision === "dynamic"
      ? roundDynamic(rows, grid, rule, tape)
      : roundMasked(rows, precision, grid, tape);
  const bias = layer.bias && grid ? toGrid(layer.bias, grid, "int64", tape) : layer.bias;
  return { weight: tape.reshape(values, layer.shape), bias };
}

/**
 * A layer's kernels as rows: names of float32 `[kernels, taps]`, or `[kernels]` where they have one tap. (Against a
 * last axis of 1 ONNX Runtime broadcasts a number a hundred times slower.)
 */
type Rows = {
  readonly taps: number;
  readonly weight: string;
  readonly size: string;
};

function rowsOf(
  { weight, shape }: { readonly weight: string; readonly shape: Shape },
  tape: Tape,
): Rows {
  const taps = shape.slice(2).reduce((product, dim) => product * dim, 1);
  const rows = tape.reshape(weight, taps === 1 ? [-1] : [-1, taps]);
  return { taps, weight: rows, size: tape.emit("Abs", [rows]) };
}

// ---------------------------------------------------------------- the layer's grid

/** Names of `2^shift` and `2^-shift`, float32 of rank 0. */
type Grid = { readonly scale: string; readonly inverse: string };

type RoundingRule = CoefficientRule & { readonly precision: Exclude<Precision, "float"> };

/** The grid of the layer's shift. In dynamic fixed point the bias has no say. */
function gridOf(size: string, bias: string | undefined, rule: RoundingRule, tape: Tape): Grid {
  const { weightLimits, biasLimits } = shiftLimits(rule);
  const fits = (sizes: string, limits: Float32Array): string =>
    tape.emit("LessOrEqual", [
      tape.emit("ReduceMax", [sizes], { keepdims: int(0) }),
      tape.initializer(float32([limits.length], limits), "limits"),
    ]);
  const weightFits = fits(size, weightLimits);
  const allFit =
    bias === undefined || rule.precision === "dynamic"
      ? weightFits
      : tape.emit("And", [weightFits, fits(tape.emit("Abs", [bias]), biasLimits)]);
  // One factor of 2 for every shift that fits: those below a shift that fits do too.
  const factors = tape.emit("Where", [allFit, tape.number(2), tape.number(1)]);
  const scale = tape.emit("ReduceProd", [factors], { keepdims: int(0) });
  return { scale, inverse: tape.div(tape.number(1), scale) };
}

/**
 * For every shift from 1 on the largest magnitude of a weight, and of a bias, that still gets it: comparisons with these
 * give the definition's shift without a logarithm.
 */
function shiftLimits(rule: RoundingRule): {
  readonly weightLimits: Float32Array;
  readonly biasLimits: Float32Array;
} {
  const { parameterBits, precision } = rule;
  const shiftMax = layerShiftMax(parameterBits);
  const limits = { parameterBits, biasBits: biasBitsOf(precision, parameterBits), shiftMax };
  const shifts = Float32Array.from({ length: shiftMax }, (_, at) => at + 1);
  return {
    weightLimits: shifts.map((shift) =>
      largestFloat((size) => layerShift(size, undefined, limits, "layer").weightShift >= shift),
    ),
    biasLimits: shifts.map((shift) =>
      largestFloat((size) => layerShift(0, size, limits, "layer").biasShift >= shift),
    ),
  };
}

/** The largest float32 from 0 on that `holds` says yes to; it must say so of 0, and no more once it said no. */
function largestFloat(holds: (value: number) => boolean): number {
  const value = new Float32Array(1);
  const bits = new Int32Array(value.buffer);
  const infinity = 0x7f80_0000;
  let [low, high] = [0, infinity];
  while (high - low > 1) {
    const middle = (low + high) >>> 1;
    bits[0] = middle;
    if (holds(value[0] ?? 0)) low = middle;
    else high = middle;
  }
  bits[0] = low;
  return value[0] ?? 0;
}

// ---------------------------------------------------------------- dynamic fixed point

function roundDynamic(
  { weight, size }: Rows,
  grid: Grid | undefined,
  { parameterBits }: CoefficientRule,
  tape: Tape,
): string {
  if (grid !== undefined) return toGrid(weight, grid, "int32", tape);
  const max = wide(tape.emit("ReduceMax", [size], { keepdims: int(0) }), tape);
  const step = tape.div(max, double(largestMagnitude(parameterBits), tape));
  // Zeros alone have a step of 0.
  return toSteps(weight, tape.emit("Max", [step, double(1e-300, tape)]), undefined, tape);
}

/** The largest float32 below a half. Added to a half it gives 1, to the float32 before it less. */
const belowHalf = 0.5 - 2 ** -25;

/**
 * The nearest multiples of `2^-shift`, half away from zero, of float32 values. The product with a power of two is exact;
 * a half is added with the value's sign, and what is behind the point cut off by the conversion.
 */
function toGrid(x: string, { scale, inverse }: Grid, whole: "int32" | "int64", tape: Tape): string {
  const scaled = tape.mul(x, scale);
  const half = tape.emit("Clip", [scaled, tape.number(-belowHalf), tape.number(belowHalf)]);
  const steps = cast(cast(tape.add(scaled, half), whole, tape), "float32", tape);
  return tape.mul(steps, inverse);
}

/**
 * `R(x / step) * magnitude` in doubles, then float32; `magnitude` is the step itself where it is not given. Of all doubles
 * only the one below a half is rounded otherwise than by the definition (down, not up).
 */
function toSteps(x: string, step: string, magnitude: string | undefined, tape: Tape): string {
  const quotient = tape.div(wide(x, tape), step);
  const half = tape.emit("Clip", [quotient, double(-0.5, tape), double(0.5, tape)]);
  const steps = cast(cast(tape.add(quotient, half), "int32", tape), "float64", tape);
  return cast(tape.mul(steps, magnitude ?? step), "float32", tape);
}

// ---------------------------------------------------------------- magnitudes and levels

/** Names of a double per kernel: the magnitude before and after rounding to the grid. */
type Magnitudes = { readonly exact: string; readonly rounded: string };

function roundMasked(
  rows: Rows,
  precision: MaskedPrecision,
  grid: Grid | undefined,
  tape: Tape,
): string {
  const exact = exactMagnitude(rows, precision, tape);
  const rounded = grid === undefined ? exact : magnitudeOnGrid(exact, grid, tape);
  return levelRules[precision](rows, { exact, rounded }, tape);
}

function exactMagnitude(rows: Rows, precision: MaskedPrecision, tape: Tape): string {
  const { epsilon, divisor } = maskedSchemes[precision];
  const statistic = statisticOf(rows, precision, tape);
  const raised = epsilon === 0 ? statistic : tape.add(statistic, double(epsilon, tape));
  return divisor === 1 ? raised : tape.div(raised, double(divisor, tape));
}

function statisticOf({ size, taps }: Rows, precision: MaskedPrecision, tape: Tape): string {
  if (taps === 1) return wide(size, tape);
  const attributes = { axes: ints([1]), keepdims: int(0) };
  return maskedSchemes[precision].statistic === "max"
    ? wide(tape.emit("ReduceMax", [size], attributes), tape)
    : tape.emit("ReduceMean", [wide(size, tape)], attributes);
}

/** As `roundToGrid` of magnitudes, which are not negative. */
function magnitudeOnGrid(exact: string, { scale, inverse }: Grid, tape: Tape): string {
  const scaled = tape.add(tape.mul(exact, wide(scale, tape)), double(0.5, tape));
  return tape.mul(tape.emit("Floor", [scaled]), wide(inverse, tape));
}

type LevelRule = (rows: Rows, magnitudes: Magnitudes, tape: Tape) => string;

/** Every weight as its level times its kernel's magnitude: what `level` of `maskedSchemes` says, for all at once. */
const levelRules: Readonly<Record<MaskedPrecision, LevelRule>> = {
  oneBit: ({ weight, taps }, { rounded }, tape) =>
    signed(weight, spread(cast(rounded, "float32", tape), "float32", taps, tape), tape),

  twoBits: ({ weight, size, taps }, { rounded }, tape) => {
    const quarter = spread(tape.mul(rounded, double(0.25, tape)), "float64", taps, tape);
    const isOne = tape.emit("GreaterOrEqual", [wide(size, tape), quarter]);
    const magnitude = spread(cast(rounded, "float32", tape), "float32", taps, tape);
    return signed(weight, tape.mul(cast(isOne, "float32", tape), magnitude), tape);
  },

  threeBits: ({ weight, taps }, { exact, rounded }, tape) => {
    const quotient = tape.div(wide(weight, tape), spread(exact, "float64", taps, tape));
    const multiple = cast(cast(quotient, "int32", tape), "float32", tape);
    const upTo3 = tape.emit("Clip", [multiple, tape.number(-3), tape.number(3)]);
    // 1.2, 2.4 and 3.6: the third multiple becomes the fourth, the others stay.
    const level = tape.emit("Round", [tape.mul(upTo3, tape.number(1.2))]);
    return tape.mul(level, spread(cast(rounded, "float32", tape), "float32", taps, tape));
  },

  fiveBits: ({ weight, taps }, { exact, rounded }, tape) => {
    const step = spread(exact, "float64", taps, tape);
    const magnitude = rounded === exact ? step : spread(rounded, "float64", taps, tape);
    return toSteps(weight, step, magnitude, tape);
  },
};

/** `size` with the sign of `weight`; zeros count as positive. */
function signed(weight: string, size: string, tape: Tape): string {
  const isNegative = tape.emit("Less", [weight, tape.number(0)]);
  return tape.emit("Where", [isNegative, tape.emit("Neg", [size]), size]);
}

/**
 * `[kernels]` to `[kernels, taps]`. The reshape also keeps ONNX Runtime from merging a division by a constant into the
 * product, as a factor in float32.
 */
function spread(values: string, dtype: "float32" | "float64", taps: number, tape: Tape): string {
  if (taps === 1) return values;
  const ones =
    dtype === "float32"
      ? float32([1, taps], new Float32Array(taps).fill(1))
      : tensor("float64", [1, taps], new Float64Array(taps).fill(1));
  const column = tape.reshape(values, [-1, 1]);
  return tape.emit("MatMul", [column, tape.initializer(ones, "ones")]);
}

// ---------------------------------------------------------------- types

type Element = "float32" | "float64" | "int32" | "int64";

function cast(x: string, to: Element, tape: Tape): string {
  const attributes: Readonly<Record<string, Attribute>> = { to: int(elementCode(to)) };
  return tape.emit("Cast", [x], attributes);
}

const wide = (x: string, tape: Tape): string => cast(x, "float64", tape);

/** A double of rank 0. */
const double = (value: number, tape: Tape): string =>
  tape.initializer(tensor("float64", [], Float64Array.of(value)), "double");
