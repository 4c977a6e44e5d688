/**
 * Activations and normalization as ncnn layers.
 */
import type { Node } from "../../ir/ops.ts";
import {
  axisOf,
  bare,
  type ExportContext,
  imageShape,
  inexpressible,
  inputShape,
  layerFor,
  unless,
  weightOf,
} from "./export-context.ts";
import { float, int, type NcnnLayer, type Param } from "./layer.ts";

/** The largest float32, which stands for infinity in limits. */
const largest = (2 - 2 ** -23) * 2 ** 127;

/** A limit; none where it is infinite, which is what its absence means. */
function limit(id: number, value: number): readonly Param[] {
  return Math.abs(value) >= largest ? [] : [float(id, value)];
}

export function exportRelu(node: Node<"relu">, context: ExportContext): NcnnLayer {
  return layerFor(context, node, "ReLU", { params: unless(float(0, node.attrs.slope), 0) });
}

export function exportClip(node: Node<"clip">, context: ExportContext): NcnnLayer {
  const { min, max } = node.attrs;
  return layerFor(context, node, "Clip", { params: [limit(0, min), limit(1, max)] });
}

export function exportPrelu(node: Node<"prelu">, context: ExportContext): NcnnLayer {
  const { data } = weightOf(context, node, 1);
  return layerFor(context, node, "PReLU", { params: [int(0, data.length)], weights: [bare(data)] });
}

export function exportElu(node: Node<"elu">, context: ExportContext): NcnnLayer {
  return layerFor(context, node, "ELU", { params: [float(0, node.attrs.alpha)] });
}

export function exportPower(node: Node<"power">, context: ExportContext): NcnnLayer {
  const { power, scale, shift } = node.attrs;
  const params = [float(0, power), float(1, scale), float(2, shift)];
  return layerFor(context, node, "Power", { params });
}

/** `base ^ (shift + scale * x)` or its logarithm; base -1 stands for e in ncnn too. */
export function exportExpLog(node: Node<"exp"> | Node<"log">, context: ExportContext): NcnnLayer {
  const { base, scale, shift } = node.attrs;
  const params = [float(0, base), float(1, scale), float(2, shift)];
  return layerFor(context, node, node.op === "exp" ? "Exp" : "Log", { params });
}

/** The last parameter says that the axis is meant as newer versions of ncnn mean it; they ask for it. */
export function exportSoftmax(node: Node<"softmax">, context: ExportContext): NcnnLayer {
  const params = [int(0, axisOf(context, node, node.attrs.axis)), int(1, 1)];
  return layerFor(context, node, "Softmax", { params });
}

/** Weights in ncnn's order: slope, mean, variance, bias. */
export function exportBatchNorm(node: Node<"batchNorm">, context: ExportContext): NcnnLayer {
  const mean = weightOf(context, node, 1).data;
  const variance = weightOf(context, node, 2).data;
  const affine = node.inputs.length > 3;
  const slope = affine ? weightOf(context, node, 3).data : mean.map(() => 1);
  const bias = affine ? weightOf(context, node, 4).data : mean.map(() => 0);
  return layerFor(context, node, "BatchNorm", {
    params: [int(0, mean.length), float(1, node.attrs.epsilon)],
    weights: [slope, mean, variance, bias].map(bare),
  });
}

export function exportLrn(node: Node<"lrn">, context: ExportContext): NcnnLayer {
  const { size, alpha, beta, k, region } = node.attrs;
  imageShape(context, node);
  if (size % 2 === 0) throw inexpressible(node, "an even size", `${size}`);
  const params = [
    ...[int(0, region === "across" ? 0 : 1), int(1, size)],
    ...[float(2, alpha), float(3, beta), float(4, k)],
  ];
  return layerFor(context, node, "LRN", { params });
}

export function exportNormalize(node: Node<"normalize">, context: ExportContext): NcnnLayer {
  const { acrossSpatial, epsilon } = node.attrs;
  imageShape(context, node);
  const { data } = weightOf(context, node, 1);
  const shared = data.length === 1 && inputShape(context, node, 0)[1] !== 1;
  const params = [
    ...[int(0, acrossSpatial ? 1 : 0), int(1, shared ? 1 : 0), float(2, epsilon)],
    ...[int(3, data.length), int(4, 1)],
  ];
  return layerFor(context, node, "Normalize", { params, weights: [bare(data)] });
}
