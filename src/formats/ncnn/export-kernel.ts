/**
 * Convolutions, fully connected layers and pooling as ncnn layers.
 */
import { poolGeometry } from "../../ir/geometry.ts";
import { describe } from "../../ir/graph.ts";
import type { ConvAttrs, Node } from "../../ir/ops.ts";
import { asNchw, type Pads, type Pair } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import {
  bare,
  type ExportContext,
  flagged,
  imageShape,
  inexpressible,
  type Layers,
  layerFor,
  shapeOf,
  sizeParams,
  stepFor,
  unless,
  weightOf,
} from "./export-context.ts";
import { float, int, type NcnnLayer, type Param, type Weights } from "./layer.ts";

function biasOf(context: ExportContext, node: Node): readonly Weights[] {
  return node.inputs.length > 2 ? [bare(weightOf(context, node, 2).data)] : [];
}

/** What convolutions and deconvolutions share. Absent sizes along h are those along w. */
function windowParams(outputs: number, kernel: Pair, attrs: ConvAttrs): readonly Param[] {
  const [kh, kw] = kernel;
  const { stride, dilation, groups } = attrs;
  return [
    ...[int(0, outputs), int(1, kw), ...unless(int(11, kh), kw)],
    ...[int(2, dilation[1]), ...unless(int(12, dilation[0]), dilation[1])],
    ...[int(3, stride[1]), ...unless(int(13, stride[0]), stride[1])],
    ...unless(int(7, groups), 1),
  ];
}

function padParams([top, left, bottom, right]: Pads): readonly Param[] {
  return [
    ...[int(4, left), ...unless(int(14, top), left)],
    ...[...unless(int(15, right), left), ...unless(int(16, bottom), top)],
  ];
}

function assertPads(node: Node, pads: readonly number[]): void {
  if (pads.every((pad) => pad >= 0)) return;
  throw inexpressible(node, "a negative pad", `[${pads.join(", ")}]`);
}

export function exportConv(node: Node<"conv">, context: ExportContext): NcnnLayer {
  const weight = weightOf(context, node, 1);
  const [outputs, , kh, kw] = asNchw(weight.shape, describe(node));
  const bias = biasOf(context, node);
  assertPads(node, node.attrs.pads);
  const type = node.attrs.groups === 1 ? "Convolution" : "ConvolutionDepthWise";
  const params = [
    windowParams(outputs, [kh, kw], node.attrs),
    padParams(node.attrs.pads),
    [int(5, bias.length), int(6, weight.data.length)],
  ];
  return layerFor(context, node, type, { params, weights: [flagged(weight), ...bias] });
}

/**
 * Trailing pads take back what `outputPads` add, so that only what is left of either is written: versions of
 * ncnn fill added rows differently.
 */
function deconvEnds(node: Node<"deconv">): { pads: Pads; added: Pair } {
  const [top, left, bottom, right] = node.attrs.pads;
  const [addedBottom, addedRight] = node.attrs.outputPads;
  const [cutBottom, cutRight] = [bottom - addedBottom, right - addedRight];
  assertPads(node, [...node.attrs.pads, ...node.attrs.outputPads]);
  return {
    pads: [top, left, Math.max(cutBottom, 0), Math.max(cutRight, 0)],
    added: [Math.max(-cutBottom, 0), Math.max(-cutRight, 0)],
  };
}

export function exportDeconv(node: Node<"deconv">, context: ExportContext): NcnnLayer {
  const { groups } = node.attrs;
  const weight = weightOf(context, node, 1);
  const [, outPerGroup, kh, kw] = asNchw(weight.shape, describe(node));
  const bias = biasOf(context, node);
  const { pads, added } = deconvEnds(node);
  const type = groups === 1 ? "Deconvolution" : "DeconvolutionDepthWise";
  const params = [
    windowParams(outPerGroup * groups, [kh, kw], node.attrs),
    padParams(pads),
    [int(5, bias.length), int(6, weight.data.length)],
    [...unless(int(18, added[1]), 0), ...unless(int(19, added[0]), added[1])],
  ];
  const weights = [flagged(outputsFirst(weight, groups)), ...bias];
  return layerFor(context, node, type, { params, weights });
}

/** Weights [in, out/groups, kh, kw] as ncnn orders them: per group by output, then input. */
function outputsFirst(weight: Tensor<"float32">, groups: number): Tensor<"float32"> {
  const [inputs, outputs, kh, kw] = asNchw(weight.shape);
  const taps = kh * kw;
  const inPerGroup = inputs / groups;
  const data = new Float32Array(weight.data.length);
  for (let from = 0; from < inputs * outputs; from += 1) {
    const [input, output] = [Math.floor(from / outputs), from % outputs];
    const group = Math.floor(input / inPerGroup);
    const to = (group * outputs + output) * inPerGroup + (input % inPerGroup);
    data.set(weight.data.subarray(from * taps, (from + 1) * taps), to * taps);
  }
  return float32(weight.shape, data);
}

export function exportLinear(node: Node<"linear">, context: ExportContext): NcnnLayer {
  const weight = weightOf(context, node, 1);
  const bias = biasOf(context, node);
  const params = [int(0, weight.shape[0] ?? 0), int(1, bias.length), int(2, weight.data.length)];
  return layerFor(context, node, "InnerProduct", { params, weights: [flagged(weight), ...bias] });
}

type Pool = Node<"maxPool"> | Node<"avgPool">;

/** ncnn's output size where it rounds up: it never drops a window, and `%` keeps the sign. */
function fullOutput(input: number, kernel: number, stride: number, pads: number): number {
  const tail = (input + pads - kernel) % stride;
  const padded = input + pads + (tail === 0 ? 0 : stride - tail);
  return Math.trunc((padded - kernel) / stride) + 1;
}

type Rounding = { readonly mode: 0 | 1; readonly pads: Pads };

/**
 * How ncnn gets the node's output size: rounding up by itself (mode 0) where that is the same, else by pads
 * that make it exact (mode 1). Such pads never count: they are below every value, or outside the average.
 */
function rounding(node: Pool, image: Pair): Rounding {
  const { kernel, stride, ceil, pads } = node.attrs;
  const { output, overhang } = poolGeometry(image, node.attrs, describe(node));
  const [top, left, bottom, right] = pads;
  const full = [
    fullOutput(image[0], kernel[0], stride[0], top + bottom),
    fullOutput(image[1], kernel[1], stride[1], left + right),
  ];
  if (ceil && full.every((size, axis) => size === output[axis])) return { mode: 0, pads };
  return { mode: 1, pads: [top, left, bottom + overhang[0], right + overhang[1]] };
}

const isPadded = ({ attrs }: Pool): boolean => attrs.pads.some((pad) => pad > 0);

/**
 * An average whose divisor counts pads, but not what the last window has beyond them, is of the padded
 * image: a Padding layer stands in front, and the overhang is what ncnn leaves out.
 */
export function exportPool(node: Pool, context: ExportContext): Layers {
  const { attrs } = node;
  if (attrs.dilation.some((one) => one !== 1)) throw inexpressible(node, "a dilated window");
  assertPads(node, attrs.pads);
  const [, , h, w] = imageShape(context, node);
  const { overhang } = poolGeometry([h, w], attrs, describe(node));
  const counts = node.op === "avgPool" && node.attrs.countPad && isPadded(node);
  if (!counts || overhang.every((one) => one === 0)) {
    return [poolLayer(node, context, rounding(node, [h, w]), counts)];
  }
  const params = paddingParams(attrs.pads, 0);
  const { top, ...padding } = stepFor(context, node, "padded", "Padding", { params });
  const exact = { mode: 1, pads: [0, 0, overhang[0], overhang[1]] } as const;
  return [padding, { ...poolLayer(node, context, exact, false), bottoms: [top] }];
}

function poolLayer(
  node: Pool,
  context: ExportContext,
  { mode, pads }: Rounding,
  countPads: boolean,
): NcnnLayer {
  const { kernel, stride } = node.attrs;
  const [top, left, bottom, right] = pads;
  const params = [
    [int(0, node.op === "avgPool" ? 1 : 0)],
    [int(1, kernel[1]), ...unless(int(11, kernel[0]), kernel[1])],
    [int(2, stride[1]), ...unless(int(12, stride[0]), stride[1])],
    [int(3, left), ...unless(int(13, top), left)],
    [...unless(int(14, right), left), ...unless(int(15, bottom), top)],
    [int(5, mode), ...unless(int(6, countPads ? 1 : 0), 0)],
  ];
  return layerFor(context, node, "Pooling", { params });
}

/** Padding's parameters: rows and columns added with a constant value. */
export function paddingParams([top, left, bottom, right]: Pads, value: number): readonly Param[] {
  return [int(0, top), int(1, bottom), int(2, left), int(3, right), int(4, 0), float(5, value)];
}

/** ncnn's global pooling gives a vector [c]: it is reshaped to [c, 1, 1] unless all readers flatten. */
export function exportGlobalPool(
  node: Node<"globalAvgPool"> | Node<"globalMaxPool">,
  context: ExportContext,
): Layers {
  const params = [int(0, node.op === "globalAvgPool" ? 1 : 0), int(4, 1)];
  if (readersFlatten(node, context)) return [layerFor(context, node, "Pooling", { params })];
  const { top, ...pool } = stepFor(context, node, "vector", "Pooling", { params });
  const [, channels = 1] = shapeOf(context, node, node.id);
  const reshape = { bottoms: [top], params: sizeParams([channels, 1, 1]) };
  return [pool, layerFor(context, node, "Reshape", reshape)];
}

function readersFlatten(node: Node, context: ExportContext): boolean {
  if (context.graph.outputs.some(({ id }) => id === node.id)) return false;
  const readers = context.readers.get(node.id) ?? [];
  return readers.every(({ op }) => op === "flatten" || op === "reshape");
}
