/**
 * Normalization, affine and quantized activation layers as Caffe layers.
 */
import type { Node } from "../../ir/ops.ts";
import { float32 } from "../../tensor/tensor.ts";
import {
  blobOf,
  type ExportContext,
  inexpressible,
  inputShapeOf,
  layerFor,
  weightOf,
} from "./export-context.ts";
import type { LayerInit } from "./schema/schema.ts";

/** BatchNorm, and a Scale layer behind it where the node has gamma and beta. */
export function exportBatchNorm(
  node: Node<"batchNorm">,
  context: ExportContext,
): readonly LayerInit[] {
  const [mean, variance] = [weightOf(context, node, 1), weightOf(context, node, 2)];
  const one = float32([1], [1]);
  const layer = layerFor(context, node, "BatchNorm", {
    batch_norm_param: { use_global_stats: true, eps: node.attrs.epsilon },
    blobs: [blobOf(mean), blobOf(variance), blobOf(one)],
  });
  if (node.inputs.length <= 3) return [layer];
  const inner = `${node.id}.normalized`;
  const scale: LayerInit = {
    name: `${node.id}.scale`,
    type: "Scale",
    bottom: [inner],
    top: layer.top,
    scale_param: { bias_term: true },
    blobs: [blobOf(weightOf(context, node, 3)), blobOf(weightOf(context, node, 4))],
  };
  return [{ ...layer, top: [inner] }, scale];
}

function isConstant(context: ExportContext, node: Node, index: number): boolean {
  return context.nodes.get(node.inputs[index] ?? "")?.op === "const";
}

/** A constant factor is learned, a computed one the second bottom. */
export function exportScale(node: Node<"scale">, context: ExportContext): LayerInit {
  const { axis } = node.attrs;
  const bias_term = node.inputs.length > 2;
  const bias = bias_term ? [weightOf(context, node, 2)] : [];
  if (!isConstant(context, node, 1)) {
    const fields = { scale_param: { axis, bias_term }, blobs: bias.map(blobOf) };
    return layerFor(context, node, "Scale", fields, 2);
  }
  const factor = weightOf(context, node, 1);
  const scale_param = { axis, num_axes: factor.shape.length, bias_term };
  return layerFor(context, node, "Scale", { scale_param, blobs: [factor, ...bias].map(blobOf) });
}

export function exportBias(node: Node<"bias">, context: ExportContext): LayerInit {
  const { axis } = node.attrs;
  if (!isConstant(context, node, 1)) {
    return layerFor(context, node, "Bias", { bias_param: { axis } }, 2);
  }
  const bias = weightOf(context, node, 1);
  const bias_param = { axis, num_axes: bias.shape.length };
  return layerFor(context, node, "Bias", { bias_param, blobs: [blobOf(bias)] });
}

export function exportLrn(node: Node<"lrn">, context: ExportContext): LayerInit {
  const { size, alpha, beta, k, region } = node.attrs;
  if (size % 2 === 0) throw inexpressible(node, "an even size", `${size}`);
  if (region === "within" && k !== 1) throw inexpressible(node, "k within a channel", `${k}`);
  const norm_region = region === "within" ? "WITHIN_CHANNEL" : "ACROSS_CHANNELS";
  const lrn_param = { local_size: size, alpha, beta, k, norm_region } as const;
  return layerFor(context, node, "LRN", { lrn_param });
}

export function exportNormalize(node: Node<"normalize">, context: ExportContext): LayerInit {
  const scale = weightOf(context, node, 1);
  const norm_param = {
    across_spatial: node.attrs.acrossSpatial,
    channel_shared: isShared(context, node, scale.data.length),
    eps: node.attrs.epsilon,
  };
  return layerFor(context, node, "Normalize", { norm_param, blobs: [blobOf(scale)] });
}

/** True where one number serves several channels. */
function isShared(context: ExportContext, node: Node, count: number): boolean {
  return count === 1 && inputShapeOf(context, node, 0)[1] !== 1;
}

export function exportPrelu(node: Node<"prelu">, context: ExportContext): LayerInit {
  const slope = weightOf(context, node, 1);
  const prelu_param = { channel_shared: isShared(context, node, slope.data.length) };
  return layerFor(context, node, "PReLU", { prelu_param, blobs: [blobOf(slope)] });
}

export function exportQuantRelu(node: Node<"quantRelu">, context: ExportContext): LayerInit {
  const cap = weightOf(context, node, 1);
  const { slope, bits, quantized } = node.attrs;
  const quant_relu_param = {
    channel_shared: isShared(context, node, cap.data.length),
    act_bits: bits,
    quant_enable: quantized,
    ...(slope === 0 ? {} : { negative_slope: slope }),
  };
  return layerFor(context, node, "QuantReLU", { quant_relu_param, blobs: [blobOf(cap)] });
}
