/**
 * Operators that move values without changing them, as ONNX nodes. Shapes are written so that they
 * hold for every batch size wherever the operator allows it.
 */
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import { int, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";
import { emitChain } from "./chain.ts";

function axisOf(node: Node, axis: number, builder: Builder): number {
  const type = builder.knownType(node.inputs[0] ?? "");
  return type === undefined ? axis : normalizeAxis(axis, type.shape.length);
}

export function lowerConcat(node: Node<"concat">, builder: Builder): void {
  const axis = int(axisOf(node, node.attrs.axis, builder));
  builder.emit("Concat", node.inputs, { axis }, node.id);
}

export function lowerSlice(node: Node<"slice">, builder: Builder): void {
  const { start, end } = node.attrs;
  const axis = axisOf(node, node.attrs.axis, builder);
  if (builder.opset < 10) {
    const attributes = { axes: ints([axis]), starts: ints([start]), ends: ints([end]) };
    builder.emit("Slice", node.inputs, attributes, node.id);
    return;
  }
  const bounds = [
    builder.integers([start], `${node.id}/start`),
    builder.integers([end], `${node.id}/end`),
    builder.integers([axis], `${node.id}/axis`),
  ];
  builder.emit("Slice", [...node.inputs, ...bounds], {}, node.id);
}

export function lowerFlatten(node: Node<"flatten">, builder: Builder): void {
  const { axis, endAxis } = node.attrs;
  const [input = ""] = node.inputs;
  if (axis === 1 && endAxis === -1) {
    builder.emit("Flatten", [input], { axis: int(1) }, node.id);
    return;
  }
  const { shape } = builder.typeOf(input);
  const first = axis === shape.length ? axis : normalizeAxis(axis, shape.length);
  const last = normalizeAxis(endAxis, shape.length);
  const target = [...shape.slice(0, first).map(() => 0), -1, ...shape.slice(last + 1)];
  emitReshape(node, input, target, builder);
}

function emitReshape(node: Node, input: string, target: readonly number[], builder: Builder): void {
  builder.emit("Reshape", [input, builder.integers(target, `${node.id}/shape`)], {}, node.id);
}

export function lowerReshape(node: Node<"reshape">, builder: Builder): void {
  emitReshape(node, node.inputs[0] ?? "", node.attrs.shape, builder);
}

export function lowerTranspose(node: Node<"transpose">, builder: Builder): void {
  builder.emit("Transpose", node.inputs, { perm: ints(node.attrs.perm) }, node.id);
}

/** Bytes are cheaper to move than floats: transpose first. */
export function lowerImageToTensor(node: Node<"imageToTensor">, builder: Builder): void {
  const links = [
    { op: "Transpose", attributes: { perm: ints([0, 3, 1, 2]) } },
    { op: "Cast", attributes: { to: int(1) } },
  ];
  emitChain(builder, node.inputs[0] ?? "", links, node.id);
}

export function lowerIdentity(node: Node, builder: Builder): void {
  builder.emit("Identity", node.inputs.slice(0, 1), {}, node.id);
}
