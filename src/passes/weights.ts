/**
 * Per-channel factors and offsets folded into the weights and biases of conv, deconv and linear.
 * All arithmetic is float64, rounded once to float32 at the end.
 */
import { constantOf } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { Context } from "../ir/rewrite.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import type { Affine } from "./affine.ts";

export type Weighted = Node<"conv"> | Node<"deconv"> | Node<"linear">;
export type Parameters = {
  readonly weight: Tensor<"float32">;
  readonly bias: Tensor<"float32"> | undefined;
};

/** The node with its constant parameters; undefined for other nodes and for computed weights. */
export function weightedOf(
  node: Node | undefined,
  context: Context,
): { readonly node: Weighted; readonly parameters: Parameters } | undefined {
  if (node?.op !== "conv" && node?.op !== "deconv" && node?.op !== "linear") return undefined;
  const weight = constantOf(context.get(node.inputs[1]));
  const bias = constantOf(context.get(node.inputs[2]));
  if (weight?.dtype !== "float32") return undefined;
  if (node.inputs.length < 3) return { node, parameters: { weight, bias: undefined } };
  return bias?.dtype === "float32" && bias.data.length === outChannels(node, weight)
    ? { node, parameters: { weight, bias } }
    : undefined;
}

function outChannels(node: Weighted, { shape: [first = 0, second = 0] }: Tensor): number {
  return node.op === "deconv" ? second * node.attrs.groups : first;
}

/**
 * Parameters of `affine(layer(x))`: `w' = factor * w`, `b' = factor * b + offset`. Undefined where
 * a result does not fit float32.
 */
export function foldIntoOutputs(
  node: Weighted,
  { weight, bias }: Parameters,
  affine: Affine,
): Parameters | undefined {
  const channels = outChannels(node, weight);
  if (affine.factor.length !== channels) return undefined;
  const channelOf = outChannelOf(node, weight);
  const folded = weight.data.map((w, i) => w * (affine.factor[channelOf(i)] ?? 0));
  const offsets = Float32Array.from(
    affine.factor,
    (f, c) => f * (bias?.data[c] ?? 0) + (affine.offset[c] ?? 0),
  );
  return checked(weight, folded, offsets);
}

/** Output channel of the weight element at an index. */
function outChannelOf(node: Weighted, { shape, data }: Tensor): (index: number) => number {
  const [first = 1, second = 1] = shape;
  if (node.op !== "deconv") {
    const perOutput = data.length / first;
    return (index) => Math.floor(index / perOutput);
  }
  const kernel = data.length / (first * second);
  const inPerGroup = first / node.attrs.groups;
  return (index) => {
    const input = Math.floor(index / (kernel * second));
    return Math.floor(input / inPerGroup) * second + (Math.floor(index / kernel) % second);
  };
}

/**
 * Parameters of `layer(affine(x))`: `w' = w * factor[in]`, `b' = b + sum(w * offset[in])`. The
 * caller sees to it that no padding stands between, or that all offsets are 0.
 */
export function foldIntoInputs(
  node: Node<"conv"> | Node<"linear">,
  { weight, bias }: Parameters,
  affine: Affine,
): Parameters | undefined {
  const [outputs = 1, inPerGroup = 1] = weight.shape;
  const groups = node.op === "conv" ? node.attrs.groups : 1;
  if (affine.factor.length !== inPerGroup * groups) return undefined;
  const kernel = weight.data.length / Math.max(outputs * inPerGroup, 1);
  const sums = Float64Array.from({ length: outputs }, (_, o) => bias?.data[o] ?? 0);
  const folded = weight.data.map((w, index) => {
    const output = Math.floor(index / (kernel * inPerGroup));
    const group = Math.floor((output * groups) / outputs);
    const channel = group * inPerGroup + (Math.floor(index / kernel) % inPerGroup);
    sums[output] = (sums[output] ?? 0) + w * (affine.offset[channel] ?? 0);
    return w * (affine.factor[channel] ?? 0);
  });
  return checked(weight, folded, Float32Array.from(sums));
}

/** The parameters, unless rounding to float32 made them infinite. */
function checked(
  { shape }: Tensor,
  weight: Float32Array,
  bias: Float32Array,
): Parameters | undefined {
  if (!weight.every(Number.isFinite) || !bias.every(Number.isFinite)) return undefined;
  return { weight: float32(shape, weight), bias: float32([bias.length], bias) };
}
