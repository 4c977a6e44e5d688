/**
 * Normalization and per-channel affine layers as ONNX nodes.
 */
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import { float, int, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";
import { emitChain, type Link } from "./chain.ts";
import { withTrailingOnes } from "./lower-activation.ts";

export function lowerBatchNorm(node: Node<"batchNorm">, builder: Builder): void {
  const [input = "", mean = "", variance = "", gamma, beta] = node.inputs;
  const channels = (): number => builder.typeOf(mean).shape[0] ?? 1;
  const filled = (value: number, name: string): string =>
    builder.initializer(
      float32([channels()], new Float32Array(channels()).fill(value)),
      `${node.id}/${name}`,
    );
  const inputs = [input, gamma ?? filled(1, "gamma"), beta ?? filled(0, "beta"), mean, variance];
  builder.emit("BatchNormalization", inputs, { epsilon: float(node.attrs.epsilon) }, node.id);
}

/** A parameter that stands from `axis` on, shaped so that ONNX broadcasts it there. */
function aligned(node: Node, parameter: string, axis: number, builder: Builder): string {
  const rank = builder.typeOf(node.inputs[0] ?? "").shape.length;
  const own = builder.typeOf(parameter).shape.length;
  return withTrailingOnes(parameter, rank - normalizeAxis(axis, rank) - own, builder);
}

export function lowerScale(node: Node<"scale">, builder: Builder): void {
  const [input = "", gamma = "", beta] = node.inputs;
  const link = (op: string, parameter: string): Link => ({
    op,
    inputs: [aligned(node, parameter, node.attrs.axis, builder)],
  });
  const links = [link("Mul", gamma), beta === undefined ? undefined : link("Add", beta)];
  emitChain(builder, input, links, node.id);
}

export function lowerBias(node: Node<"bias">, builder: Builder): void {
  const [input = "", bias = ""] = node.inputs;
  builder.emit("Add", [input, aligned(node, bias, node.attrs.axis, builder)], {}, node.id);
}

/** Within a channel: `x / (k + alpha * mean(x^2)) ^ beta`, the mean over the zero-padded window. */
export function lowerLrn(node: Node<"lrn">, builder: Builder): void {
  const { size, alpha, beta, k, region } = node.attrs;
  const [input = ""] = node.inputs;
  if (region === "across") {
    const attributes = { size: int(size), alpha: float(alpha), beta: float(beta), bias: float(k) };
    builder.emit("LRN", [input], attributes, node.id);
    return;
  }
  const before = Math.floor((size - 1) / 2);
  const after = size - 1 - before;
  const square = builder.emit("Mul", [input, input]);
  const mean = builder.emit("AveragePool", [square], {
    kernel_shape: ints([size, size]),
    strides: ints([1, 1]),
    pads: ints([before, before, after, after]),
    count_include_pad: int(1),
  });
  const scaled = builder.emit("Mul", [mean, builder.scalar(alpha, `${node.id}/alpha`)]);
  const sum = builder.emit("Add", [scaled, builder.scalar(k, `${node.id}/k`)]);
  const divisor = builder.emit("Pow", [sum, builder.scalar(beta, `${node.id}/beta`)]);
  builder.emit("Div", [input, divisor], {}, node.id);
}

export function lowerNormalize(node: Node<"normalize">, builder: Builder): void {
  const [input = "", scale = ""] = node.inputs;
  const rank = builder.typeOf(input).shape.length;
  const channels = [1];
  const everything = Array.from({ length: rank - 1 }, (_, at) => at + 1);
  const axes = node.attrs.acrossSpatial ? everything : channels;
  const sum =
    builder.opset < 18
      ? builder.emit("ReduceSumSquare", [input], { axes: ints(axes), keepdims: int(1) })
      : builder.emit("ReduceSumSquare", [input, builder.integers(axes, `${node.id}/axes`)], {
          keepdims: int(1),
        });
  const safe = builder.emit("Add", [sum, builder.scalar(node.attrs.epsilon, `${node.id}/epsilon`)]);
  const norm = builder.emit("Sqrt", [safe]);
  const unit = builder.emit("Div", [input, norm]);
  const shape = builder.typeOf(scale).shape;
  const single = shape.reduce((product, dim) => product * dim, 1) === 1;
  const column = single ? scale : withTrailingOnes(scale, rank - 1 - shape.length, builder);
  builder.emit("Mul", [unit, column], {}, node.id);
}
