/**
 * QuantizeLinear and DequantizeLinear.
 */
import { workError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import { int } from "./attribute.ts";
import type { Builder } from "./builder.ts";

export function lowerQuantize(node: Node<"quantize">, builder: Builder): void {
  emitLinear("QuantizeLinear", node, node.inputs, builder);
}

/** An int32 value has no zero point in ONNX (only zeros are allowed): it is left out. */
export function lowerDequantize(node: Node<"dequantize">, builder: Builder): void {
  const [input = "", scale = "", zero] = node.inputs;
  const wide = zero !== undefined && builder.knownType(zero)?.dtype === "int32";
  const inputs = zero === undefined || wide ? [input, scale] : [input, scale, zero];
  emitLinear("DequantizeLinear", node, inputs, builder);
}

function emitLinear(
  opType: string,
  node: Node<"quantize"> | Node<"dequantize">,
  inputs: readonly string[],
  builder: Builder,
): void {
  const scales = builder.typeOf(node.inputs[1] ?? "").shape;
  const perAxis = scales.reduce((product, dim) => product * dim, 1) !== 1;
  const since = perAxis ? 13 : 10;
  if (builder.opset < since) {
    throw workError(`quantization ${perAxis ? "per axis " : ""}needs opset ${since}`, {
      node: describe(node),
      got: `opset ${builder.opset}`,
      hint: "Convert the model to a newer opset",
    });
  }
  const rank = builder.knownType(node.inputs[0] ?? "")?.shape.length;
  const { axis } = node.attrs;
  const place = rank === undefined ? axis : normalizeAxis(axis, Math.max(rank, axis + 1));
  builder.emit(opType, inputs, { axis: perAxis ? int(place) : undefined }, node.id);
}
