/**
 * How far a float32 result of ONNX Runtime may lie from the scalar definition, per operator. One table,
 * so that no test carries a number of its own. Operators that move, select or count are exact (0).
 */
import type { Op } from "../ir/ops.ts";

/** A few roundings of the result itself. */
const rounding = 1e-6;
/** Float32 sums of some thousand terms in any order, measured against double. */
const sum = 1e-5;
/** Polynomial approximations of exp, log, pow and their like in float32. */
const approximation = 2e-6;
/** Results of integer arithmetic and moved elements. */
const exact = 0;

/**
 * Largest allowed difference, relative to the tensor's largest magnitude, or to that of the terms of a sum. Integer
 * tensors must be equal whatever stands here.
 */
export const tolerances: Readonly<Record<Op, number>> = {
  input: exact,
  const: exact,
  conv: sum,
  deconv: sum,
  linear: sum,
  maxPool: exact,
  avgPool: sum,
  stochasticPool: sum,
  globalAvgPool: sum,
  globalMaxPool: exact,
  relu: rounding,
  clip: exact,
  prelu: rounding,
  elu: approximation,
  sigmoid: approximation,
  tanh: approximation,
  abs: exact,
  power: approximation,
  exp: approximation,
  log: approximation,
  softmax: approximation,
  // Folded into one factor and one offset: their difference may cancel.
  batchNorm: sum,
  scale: rounding,
  bias: rounding,
  lrn: sum,
  normalize: sum,
  add: rounding,
  sub: rounding,
  mul: rounding,
  div: rounding,
  maximum: exact,
  concat: exact,
  slice: exact,
  flatten: exact,
  reshape: exact,
  transpose: exact,
  pad: exact,
  // The sampling places themselves are computed in float32.
  resize: sum,
  argMax: exact,
  dropout: exact,
  identity: exact,
  imageToTensor: exact,
  priorBox: rounding,
  detectionOutput: sum,
  quantConv: exact,
  quantRelu: exact,
  quantize: exact,
  dequantize: exact,
  intConv: exact,
  intLinear: exact,
  intAvgPool: exact,
  intAdd: exact,
  requantize: exact,
  reduceBits: exact,
  toLevels: exact,
  shiftConv: exact,
  zeroInsert: exact,
  opaque: exact,
  result: exact,
};
