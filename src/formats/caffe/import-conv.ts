/**
 * Layers with kernels: Convolution and its depthwise and quantized kin, Deconvolution, InnerProduct.
 */

import type { ConvAttrs, Ops } from "../../ir/ops.ts";
import {
  elementCount,
  normalizeAxis,
  type Pads,
  type Pair,
  type Shape,
} from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import { precisionOf } from "./coef-precision.ts";
import {
  constant,
  emit,
  fault,
  inputOf,
  type LayerContext,
  type LayerImporter,
  shapeOf,
  weight,
} from "./context.ts";
import { type LayerParameter, setting } from "./schema/schema.ts";
import { layerWeight } from "./weights.ts";

type ConvolutionParameter = NonNullable<LayerParameter["convolution_param"]>;

/** What a convolution's parameters say, every default filled in. */
type Geometry = ConvAttrs & {
  readonly outputs: number;
  readonly kernel: Pair;
  readonly bias: boolean;
};

/** One number for both axes or one per axis; `[]` gives the default. */
function pairOf(
  context: LayerContext,
  key: string,
  values: readonly number[],
  otherwise: number,
): Pair {
  const [h = otherwise, w = h, ...more] = values;
  if (more.length === 0) return [h, w];
  throw fault(context, `${key} must have one or two values`, { got: `${values.length}` });
}

/** `kernel_h` and `kernel_w` where they are given, else `kernel_size`; the same for stride and pad. */
function axisPair(
  context: LayerContext,
  key: string,
  [h, w]: readonly [number | undefined, number | undefined],
  both: readonly number[],
  otherwise: number,
): Pair {
  if (h === undefined && w === undefined) return pairOf(context, key, both, otherwise);
  if (both.length > 0) throw fault(context, `${key} is given twice, for both axes and for one`);
  return [h ?? otherwise, w ?? otherwise];
}

/** Geometry of a convolution on an image of `channels`. Throws what Caffe would refuse. */
function geometryOf(context: LayerContext, channels: number): Geometry {
  const param = context.layer.convolution_param;
  if (param === undefined) throw fault(context, "convolution_param is missing");
  const both = param.kernel_size;
  const kernel = axisPair(context, "kernel_size", [param.kernel_h, param.kernel_w], both, 0);
  const stride = axisPair(context, "stride", [param.stride_h, param.stride_w], param.stride, 1);
  const [padH, padW] = axisPair(context, "pad", [param.pad_h, param.pad_w], param.pad, 0);
  const dilation = pairOf(context, "dilation", param.dilation, 1);
  const outputs = param.num_output ?? 0;
  const groups = groupsOf(context, param, channels);
  const pads: Pads = [padH, padW, padH, padW];
  const positive = [...kernel, ...stride, ...dilation, outputs, groups].every((one) => one > 0);
  if (!positive)
    throw fault(context, "kernel_size, stride, dilation, group and num_output must be above 0");
  const axis = setting("ConvolutionParameter", param, "axis");
  if (axis !== 1 && axis !== -3)
    throw fault(context, "only axis 1 is supported", { got: `${axis}` });
  if (channels % groups !== 0 || outputs % groups !== 0) {
    throw fault(context, "channels must be multiples of group", {
      expected: `multiples of ${groups}`,
      got: `${channels} in, ${outputs} out`,
    });
  }
  const bias = setting("ConvolutionParameter", param, "bias_term");
  return { kernel, stride, pads, dilation, groups, outputs, bias };
}

/** The forks' depthwise types do without `group`, and ConvolutionDepthwise does not look at it. */
function groupsOf(context: LayerContext, param: ConvolutionParameter, channels: number): number {
  const type = context.layer.type ?? "";
  if (type === "ConvolutionDepthwise") return channels;
  if (type === "DepthwiseConvolution" || type === "DepthwiseConv") return param.group ?? channels;
  return setting("ConvolutionParameter", param, "group");
}

/** Weight and bias constants of a convolution; `shape` is the weight's. */
function kernelInputs(context: LayerContext, shape: Shape, geometry: Geometry): readonly string[] {
  const param = context.layer.convolution_param;
  const count = geometry.bias ? 2 : 1;
  const kernel = weight(context, "weight", {
    index: 0,
    count,
    shape,
    filler: param?.weight_filler,
  });
  if (!geometry.bias) return [kernel];
  const bias = { index: 1, count, shape: [geometry.outputs], filler: param?.bias_filler };
  return [kernel, weight(context, "bias", bias)];
}

function channelsOf(context: LayerContext): number {
  const shape = shapeOf(context, 0);
  if (shape.length === 4) return shape[1] ?? 0;
  throw fault(context, "needs a blob of four dimensions", { got: `[${shape.join(", ")}]` });
}

function convInputs(context: LayerContext): readonly [inputs: readonly string[], attrs: ConvAttrs] {
  const channels = channelsOf(context);
  const geometry = geometryOf(context, channels);
  const { kernel, outputs, groups, stride, pads, dilation } = geometry;
  const shape = [outputs, channels / groups, ...kernel];
  const inputs = [inputOf(context, 0), ...kernelInputs(context, shape, geometry)];
  return [inputs, { stride, pads, dilation, groups }];
}

/** Caffe runs a convolution on each of its bottoms with the same weights; we take one. */
const importConvolution: LayerImporter = (context) => {
  oneBottom(context);
  const [inputs, attrs] = convInputs(context);
  return [emit(context, "conv", inputs, attrs)];
};

function oneBottom(context: LayerContext): void {
  if (context.inputs.length !== 1) {
    throw fault(context, "must read one blob", { got: `${context.inputs.length}` });
  }
}

/** The GTI chips' convolution: its weights and bias stay as they are, the node says how to round them. */
const importQuantConvolution: LayerImporter = (context) => {
  oneBottom(context);
  const [inputs, attrs] = convInputs(context);
  return [emit(context, "quantConv", inputs, { ...attrs, ...roundingOf(context) })];
};

/** Widths of a stored magnitude that float32 arithmetic can hold. */
const [minBits, maxBits] = [2, 24];

function roundingOf(
  context: LayerContext,
): Pick<Ops["quantConv"], "precision" | "parameterBits" | "shiftEnabled"> {
  const param = context.layer.quant_convolution_param;
  const word = setting("QuantConvolutionParameter", param, "coef_precision");
  const precision = precisionOf(word);
  if (precision === undefined) throw fault(context, "unknown coef_precision", { got: `${word}` });
  const parameterBits = setting("QuantConvolutionParameter", param, "bw_params");
  if (precision !== "float" && (parameterBits < minBits || parameterBits > maxBits)) {
    throw fault(context, "bw_params is out of range", {
      expected: `${minBits}..${maxBits} (12 on the 2801 and 2803, 8 on the 5801)`,
      got: `${parameterBits}`,
    });
  }
  const shiftEnabled = setting("QuantConvolutionParameter", param, "shift_enable");
  return { precision, parameterBits, shiftEnabled };
}

const importDeconvolution: LayerImporter = (context) => {
  oneBottom(context);
  const channels = channelsOf(context);
  const geometry = geometryOf(context, channels);
  const { kernel, outputs, groups, stride, pads, dilation } = geometry;
  const shape = [channels, outputs / groups, ...kernel];
  const inputs = [inputOf(context, 0), ...kernelInputs(context, shape, geometry)];
  const attrs = { stride, pads, dilation, groups, outputPads: [0, 0] as const };
  return [emit(context, "deconv", inputs, attrs)];
};

/**
 * Everything from `axis` on is one row of the product, everything before it counts rows; flatten and
 * reshape nodes say so where the input is not a matrix.
 */
const importInnerProduct: LayerImporter = (context) => {
  oneBottom(context);
  const param = context.layer.inner_product_param;
  const shape = shapeOf(context, 0);
  const axis = normalizeAxis(
    setting("InnerProductParameter", param, "axis"),
    shape.length,
    context.label,
  );
  if (axis === 0) throw fault(context, "axis 0 would join the batch's images");
  const rows = param?.num_output ?? 0;
  if (rows === 0) throw fault(context, "num_output must be above 0");
  const columns = elementCount(shape.slice(axis));
  const hasBias = setting("InnerProductParameter", param, "bias_term");
  const count = hasBias ? 2 : 1;
  const inputs = [matrixOf(context, axis, columns), rowMajorWeight(context, rows, columns, count)];
  if (hasBias) {
    const filler = param?.bias_filler;
    inputs.push(weight(context, "bias", { index: 1, count, shape: [rows], filler }));
  }
  if (axis === 1) return [emit(context, "linear", inputs, {})];
  const product = emit(context, "linear", inputs, {}, "product");
  return [emit(context, "reshape", [product], { shape: [-1, ...shape.slice(1, axis), rows] })];
};

/** The input as [rows, columns]. */
function matrixOf(context: LayerContext, axis: number, columns: number): string {
  const input = inputOf(context, 0);
  if (axis > 1) return emit(context, "reshape", [input], { shape: [-1, columns] }, "rows");
  if (shapeOf(context, 0).length === 2) return input;
  return emit(context, "flatten", [input], { axis: 1, endAxis: -1 }, "flatten");
}

/** The weight [rows, columns]; with `transpose` the file has it the other way round. */
function rowMajorWeight(
  context: LayerContext,
  rows: number,
  columns: number,
  count: number,
): string {
  const param = context.layer.inner_product_param;
  const filler = param?.weight_filler;
  if (!setting("InnerProductParameter", param, "transpose")) {
    return weight(context, "weight", { index: 0, count, shape: [rows, columns], filler });
  }
  const spec = { index: 0, count, shape: [columns, rows], filler };
  const { data } = layerWeight(context.builder.store, context.layer, spec);
  const turned = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      turned[row * columns + column] = data[column * rows + row] ?? 0;
    }
  }
  return constant(context, "weight", float32([rows, columns], turned));
}

export const kernelImporters: { readonly [type: string]: LayerImporter } = {
  Convolution: importConvolution,
  ConvolutionDepthwise: importConvolution,
  DepthwiseConvolution: importConvolution,
  DepthwiseConv: importConvolution,
  QuantConvolution: importQuantConvolution,
  Deconvolution: importDeconvolution,
  InnerProduct: importInnerProduct,
};
