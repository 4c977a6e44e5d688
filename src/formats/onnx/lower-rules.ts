/**
 * How every operator is written in ONNX: one row each.
 */
import type { Node, OpTable } from "../../ir/ops.ts";
import type { Builder } from "./builder.ts";
import {
  lowerClip,
  lowerElu,
  lowerExp,
  lowerLog,
  lowerPower,
  lowerPrelu,
  lowerRelu,
  lowerSoftmax,
} from "./lower-activation.ts";
import { lowerAdd, lowerDiv, lowerMaximum, lowerMul, lowerSub } from "./lower-arithmetic.ts";
import { lowerConv, lowerDeconv, lowerLinear } from "./lower-conv.ts";
import { lowerPriorBox, refuseHost } from "./lower-host.ts";
import { integerRules } from "./lower-integer.ts";
import { lowerReduceBits, lowerToLevels, lowerZeroInsert } from "./lower-levels.ts";
import { lowerBatchNorm, lowerBias, lowerLrn, lowerNormalize, lowerScale } from "./lower-norm.ts";
import { lowerOpaque, lowerResult } from "./lower-opaque.ts";
import { lowerPad } from "./lower-pad.ts";
import { lowerAvgPool, lowerMaxPool, lowerStochasticPool } from "./lower-pool.ts";
import { lowerQuantRelu, needsFold } from "./lower-quant-layers.ts";
import { lowerDequantize, lowerQuantize } from "./lower-quantize.ts";
import { lowerResize } from "./lower-resize.ts";
import { lowerArgMax } from "./lower-select.ts";
import {
  lowerConcat,
  lowerFlatten,
  lowerIdentity,
  lowerImageToTensor,
  lowerReshape,
  lowerSlice,
  lowerTranspose,
} from "./lower-shape.ts";

type Rules = OpTable<[builder: Builder], void>;

/** An operator that ONNX has under another name, with the same inputs and no attributes. */
function renamed(opType: string): (node: Node, builder: Builder) => void {
  return (node, builder) => {
    builder.emit(opType, node.inputs, {}, node.id);
  };
}

/** Inputs and constants are written by the graph itself. */
const nothing = (): void => {};

export const loweringRules: Rules = {
  ...integerRules,
  input: nothing,
  const: nothing,
  conv: lowerConv,
  deconv: lowerDeconv,
  linear: lowerLinear,
  maxPool: lowerMaxPool,
  avgPool: lowerAvgPool,
  stochasticPool: lowerStochasticPool,
  globalAvgPool: renamed("GlobalAveragePool"),
  globalMaxPool: renamed("GlobalMaxPool"),
  relu: lowerRelu,
  clip: lowerClip,
  prelu: lowerPrelu,
  elu: lowerElu,
  sigmoid: renamed("Sigmoid"),
  tanh: renamed("Tanh"),
  abs: renamed("Abs"),
  power: lowerPower,
  exp: lowerExp,
  log: lowerLog,
  softmax: lowerSoftmax,
  batchNorm: lowerBatchNorm,
  scale: lowerScale,
  bias: lowerBias,
  lrn: lowerLrn,
  normalize: lowerNormalize,
  add: lowerAdd,
  sub: lowerSub,
  mul: lowerMul,
  div: lowerDiv,
  maximum: lowerMaximum,
  concat: lowerConcat,
  slice: lowerSlice,
  flatten: lowerFlatten,
  reshape: lowerReshape,
  transpose: lowerTranspose,
  pad: lowerPad,
  resize: lowerResize,
  argMax: lowerArgMax,
  dropout: lowerIdentity,
  identity: lowerIdentity,
  imageToTensor: lowerImageToTensor,
  priorBox: lowerPriorBox,
  detectionOutput: refuseHost,
  quantConv: needsFold,
  quantRelu: lowerQuantRelu,
  reduceBits: lowerReduceBits,
  toLevels: lowerToLevels,
  zeroInsert: lowerZeroInsert,
  quantize: lowerQuantize,
  dequantize: lowerDequantize,
  opaque: lowerOpaque,
  result: lowerResult,
};
