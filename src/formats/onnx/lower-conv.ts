/**
 * Convolutions and fully connected layers as ONNX nodes.
 */
import type { ConvAttrs, Node } from "../../ir/ops.ts";
import { float32 } from "../../tensor/tensor.ts";
import { type Attributes, int, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";

function windowAttributes(attrs: ConvAttrs, weight: readonly number[]): Attributes {
  return {
    kernel_shape: ints(weight.slice(2)),
    strides: ints(attrs.stride),
    pads: ints(attrs.pads),
    dilations: ints(attrs.dilation),
    group: int(attrs.groups),
  };
}

export function lowerConv(node: Node<"conv">, builder: Builder): void {
  const weight = builder.typeOf(node.inputs[1] ?? "").shape;
  builder.emit("Conv", node.inputs, windowAttributes(node.attrs, weight), node.id);
}

export function lowerDeconv(node: Node<"deconv">, builder: Builder): void {
  const weight = builder.typeOf(node.inputs[1] ?? "").shape;
  const { outputPads } = node.attrs;
  const attributes = {
    ...windowAttributes(node.attrs, weight),
    output_padding: outputPads.some((pad) => pad !== 0) ? ints(outputPads) : undefined,
  };
  builder.emit("ConvTranspose", node.inputs, attributes, node.id);
}

/** Gemm needs its third input before opset 11. */
export function lowerLinear(node: Node<"linear">, builder: Builder): void {
  const attributes = { transB: int(1) };
  if (node.inputs.length > 2 || builder.opset >= 11) {
    builder.emit("Gemm", node.inputs, attributes, node.id);
    return;
  }
  const [outputs = 1] = builder.typeOf(node.inputs[1] ?? "").shape;
  const zeros = builder.initializer(
    float32([outputs], new Float32Array(outputs)),
    `${node.id}/bias`,
  );
  builder.emit("Gemm", [...node.inputs, zeros], attributes, node.id);
}
