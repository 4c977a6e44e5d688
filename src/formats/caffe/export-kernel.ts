/**
 * Convolutions, fully connected layers and pooling as Caffe layers.
 */
import { poolGeometry } from "../../ir/geometry.ts";
import { describe } from "../../ir/graph.ts";
import type { ConvAttrs, Node, PoolAttrs } from "../../ir/ops.ts";
import type { MessageInit } from "../../protobuf/schema.ts";
import { asNchw, type Pads, type Pair } from "../../tensor/shape.ts";
import { precisionWords } from "./coef-precision.ts";
import {
  blobOf,
  type ExportContext,
  inexpressible,
  inputShapeOf,
  layerFor,
  weightOf,
} from "./export-context.ts";
import type { CaffeSchema, LayerInit } from "./schema/schema.ts";

type Convolution = Node<"conv"> | Node<"deconv"> | Node<"quantConv">;

/** Caffe pads both sides alike. */
function symmetric(node: Node, [top, left, bottom, right]: Pads): Pair {
  if (top === bottom && left === right) return [top, left];
  throw inexpressible(
    node,
    "the pads differ per side",
    `[${[top, left, bottom, right].join(", ")}]`,
  );
}

/** One field where both axes agree, else one per axis. */
function kernelFields(
  node: Node,
  kernel: Pair,
  attrs: ConvAttrs,
): MessageInit<CaffeSchema, "ConvolutionParameter"> {
  const pad = symmetric(node, attrs.pads);
  const same = (pair: Pair): boolean => pair[0] === pair[1];
  return {
    ...(same(kernel) ? { kernel_size: [kernel[0]] } : { kernel_h: kernel[0], kernel_w: kernel[1] }),
    ...(same(pad) ? { pad: [pad[0]] } : { pad_h: pad[0], pad_w: pad[1] }),
    ...(same(attrs.stride)
      ? { stride: [attrs.stride[0]] }
      : { stride_h: attrs.stride[0], stride_w: attrs.stride[1] }),
    dilation: same(attrs.dilation) ? [attrs.dilation[0]] : attrs.dilation,
    group: attrs.groups,
  };
}

function convolution(context: ExportContext, node: Convolution, type: string): LayerInit {
  const weight = weightOf(context, node, 1);
  const [first, second, kh, kw] = asNchw(weight.shape, describe(node));
  const hasBias = node.inputs.length > 2;
  const convolution_param = {
    num_output: node.op === "deconv" ? second * node.attrs.groups : first,
    bias_term: hasBias,
    ...kernelFields(node, [kh, kw], node.attrs),
  };
  const blobs = [blobOf(weight), ...(hasBias ? [blobOf(weightOf(context, node, 2))] : [])];
  return layerFor(context, node, type, { convolution_param, blobs });
}

export function exportConv(node: Node<"conv">, context: ExportContext): LayerInit {
  return convolution(context, node, "Convolution");
}

export function exportDeconv(node: Node<"deconv">, context: ExportContext): LayerInit {
  if (node.attrs.outputPads.some((pad) => pad !== 0)) {
    throw inexpressible(node, "outputPads", node.attrs.outputPads.join("x"));
  }
  return convolution(context, node, "Deconvolution");
}

export function exportQuantConv(node: Node<"quantConv">, context: ExportContext): LayerInit {
  const layer = convolution(context, node, "QuantConvolution");
  const { precision, parameterBits, shiftEnabled } = node.attrs;
  const quant_convolution_param = {
    coef_precision: precisionWords[precision],
    bw_params: parameterBits,
    shift_enable: shiftEnabled,
  };
  return { ...layer, quant_convolution_param };
}

export function exportLinear(node: Node<"linear">, context: ExportContext): LayerInit {
  const weight = weightOf(context, node, 1);
  const bias_term = node.inputs.length > 2;
  const blobs = [blobOf(weight), ...(bias_term ? [blobOf(weightOf(context, node, 2))] : [])];
  const inner_product_param = { num_output: weight.shape[0] ?? 0, bias_term };
  return layerFor(context, node, "InnerProduct", { inner_product_param, blobs });
}

type Pool = Node<"maxPool"> | Node<"avgPool"> | Node<"stochasticPool">;

const methods = { maxPool: "MAX", avgPool: "AVE", stochasticPool: "STOCHASTIC" } as const;

/** Windows with Caffe's geometry; rounding down is a field that old builds of Caffe do not know. */
export function exportPool(node: Pool, context: ExportContext): LayerInit {
  const { attrs } = node;
  const [padH, padW] = symmetric(node, attrs.pads);
  if (attrs.dilation.some((one) => one !== 1)) throw inexpressible(node, "a dilated window");
  if (node.op === "avgPool" && !node.attrs.countPad && padH + padW > 0) {
    throw inexpressible(node, "an average that leaves pads out");
  }
  if (padH >= attrs.kernel[0] || padW >= attrs.kernel[1]) {
    throw inexpressible(node, "pads as large as the window");
  }
  const same = attrs.kernel[0] === attrs.kernel[1];
  const pooling_param = {
    pool: methods[node.op],
    ...(same
      ? { kernel_size: attrs.kernel[0] }
      : { kernel_h: attrs.kernel[0], kernel_w: attrs.kernel[1] }),
    ...(attrs.stride[0] === attrs.stride[1]
      ? { stride: attrs.stride[0] }
      : { stride_h: attrs.stride[0], stride_w: attrs.stride[1] }),
    ...(padH === padW ? { pad: padH } : { pad_h: padH, pad_w: padW }),
    ...rounding(node, attrs, context),
  };
  return layerFor(context, node, "Pooling", { pooling_param });
}

/** The rounding mode where the two modes give different sizes. */
function rounding(
  node: Node,
  attrs: PoolAttrs,
  context: ExportContext,
): MessageInit<CaffeSchema, "PoolingParameter"> {
  if (attrs.ceil) return {};
  const [, , h, w] = asNchw(inputShapeOf(context, node, 0), describe(node));
  const down = poolGeometry([h, w], attrs).output;
  const up = poolGeometry([h, w], { ...attrs, ceil: true }).output;
  return down.every((size, axis) => size === up[axis]) ? {} : { round_mode: "FLOOR" };
}

export function exportGlobalPool(
  node: Node<"globalAvgPool"> | Node<"globalMaxPool">,
  context: ExportContext,
): LayerInit {
  const pool = node.op === "globalAvgPool" ? "AVE" : "MAX";
  return layerFor(context, node, "Pooling", { pooling_param: { pool, global_pooling: true } });
}
