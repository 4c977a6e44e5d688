/**
 * One kernel per operator: the definition of what each computes.
 */
import type { OpTable } from "../../ir/ops.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  abs,
  clip,
  elu,
  exp,
  log,
  power,
  prelu,
  relu,
  sigmoid,
  softmax,
  tanh,
} from "./activation.ts";
import { conv, deconv, linear } from "./convolution.ts";
import { add, div, maximum, mul, sub } from "./elementwise.ts";
import type { Run } from "./kernel.ts";
import { batchNorm, bias, lrn, normalize, scale } from "./normalization.ts";
import { avgPool, globalAvgPool, globalMaxPool, maxPool, stochasticPool } from "./pooling.ts";
import { quantConv, quantRelu } from "./quant-layers.ts";
import {
  dequantize,
  intAdd,
  intAvgPool,
  intConv,
  intLinear,
  quantize,
  requantize,
} from "./quantized.ts";
import { argMax } from "./reduce.ts";
import { resize } from "./resize.ts";
import { reduceBits, shiftConv, toLevels, zeroInsert } from "./shifted.ts";
import { constant, graphInput, unknownOperator } from "./source.ts";
import { detectionOutput, priorBox } from "./ssd.ts";
import {
  concat,
  dropout,
  flatten,
  identity,
  imageToTensor,
  pad,
  reshape,
  slice,
  transpose,
} from "./structure.ts";

export const kernels: OpTable<[inputs: readonly Tensor[], run: Run], Tensor> = {
  input: graphInput,
  const: constant,
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
  argMax,
  dropout,
  identity,
  imageToTensor,
  priorBox,
  detectionOutput,
  quantConv,
  quantRelu,
  quantize,
  dequantize,
  intConv,
  intLinear,
  intAvgPool,
  intAdd,
  requantize,
  reduceBits,
  toLevels,
  shiftConv,
  zeroInsert,
  opaque: unknownOperator,
  result: unknownOperator,
};
