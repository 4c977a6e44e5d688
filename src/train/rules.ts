/**
 * How every operator is trained: its forward nodes, and how gradients go back through them. One row each. Operators
 * without a gradient write their forward nodes alone: those of integers, and those that only choose.
 */
import { loweringRules } from "../formats/onnx/lower-rules.ts";
import { apply, type Node, type Op } from "../ir/ops.ts";
import { abs, elu, exp, log, power, prelu, sigmoid, softmax, tanh } from "./rules/activation.ts";
import { bias, scale } from "./rules/affine.ts";
import { add, div, maximum, mul, sub } from "./rules/arithmetic.ts";
import { avgPool, globalAvgPool, stochasticPool } from "./rules/average-pool.ts";
import { batchNorm } from "./rules/batch-norm.ts";
import { conv } from "./rules/conv.ts";
import { deconv } from "./rules/deconv.ts";
import { dequantize, quantize, toLevels } from "./rules/levels.ts";
import { linear } from "./rules/linear.ts";
import { lrn, normalize } from "./rules/normalization.ts";
import { globalMaxPool, maxPool } from "./rules/pool.ts";
import { quantConv } from "./rules/quant-conv.ts";
import { quantRelu } from "./rules/quant-relu.ts";
import { clip, relu } from "./rules/relu.ts";
import { resize } from "./rules/resize.ts";
import {
  concat,
  dropout,
  flatten,
  identity,
  pad,
  reshape,
  slice,
  transpose,
  zeroInsert,
} from "./rules/structure.ts";
import { opaque, result } from "./rules/unknown.ts";
import type { Backward, Tape, TrainRules } from "./tape.ts";

/** The forward nodes of inference; nothing goes back. */
function forwardOnly<K extends Op>(node: Node<K>, tape: Tape): undefined {
  apply(loweringRules, node, tape);
}

/** Inputs and constants: what their gradient is for is the step's matter. */
const source = (): Backward | undefined => undefined;

export const trainRules: TrainRules = {
  input: source,
  const: source,
  conv,
  deconv,
  linear,
  maxPool,
  avgPool,
  stochasticPool,
  globalAvgPool,
  globalMaxPool,
  relu,
  clip,
  prelu,
  elu,
  sigmoid,
  tanh,
  abs,
  power,
  exp,
  log,
  softmax,
  batchNorm,
  scale,
  bias,
  lrn,
  normalize,
  add,
  sub,
  mul,
  div,
  maximum,
  concat,
  slice,
  flatten,
  reshape,
  transpose,
  pad,
  resize,
  argMax: forwardOnly,
  dropout,
  identity,
  imageToTensor: forwardOnly,
  priorBox: forwardOnly,
  detectionOutput: forwardOnly,
  quantConv,
  quantRelu,
  quantize,
  dequantize,
  intConv: forwardOnly,
  intLinear: forwardOnly,
  intAvgPool: forwardOnly,
  intAdd: forwardOnly,
  requantize: forwardOnly,
  reduceBits: forwardOnly,
  toLevels,
  shiftConv: forwardOnly,
  zeroInsert,
  opaque,
  result,
};
