/**
 * Activations and other elementwise functions of one value as ONNX nodes.
 */
import type { Node } from "../../ir/ops.ts";
import { type Tensor, tensor } from "../../tensor/tensor.ts";
import { float, int, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";
import { emitChain, type Link } from "./chain.ts";

export function lowerRelu(node: Node<"relu">, builder: Builder): void {
  const { slope } = node.attrs;
  if (slope === 0) builder.emit("Relu", node.inputs, {}, node.id);
  else builder.emit("LeakyRelu", node.inputs, { alpha: float(slope) }, node.id);
}

/** The limits are attributes before opset 11, inputs since; infinite ones are left out. */
export function lowerClip(node: Node<"clip">, builder: Builder): void {
  const { min, max } = node.attrs;
  const [low, high] = [min > -Infinity, max < Infinity];
  if (builder.opset < 11) {
    const attributes = { min: low ? float(min) : undefined, max: high ? float(max) : undefined };
    builder.emit("Clip", node.inputs, attributes, node.id);
    return;
  }
  const limits = [
    low ? builder.scalar(min, `${node.id}/min`) : "",
    ...(high ? [builder.scalar(max, `${node.id}/max`)] : []),
  ];
  builder.emit("Clip", [...node.inputs, ...(low || high ? limits : [])], {}, node.id);
}

/**
 * The name of `id` reshaped to `[...shape, 1, 1]` with `trailing` ones: a new constant where it is
 * one, a Reshape where it is computed.
 */
export function withTrailingOnes(id: string, trailing: number, builder: Builder): string {
  if (trailing <= 0) return id;
  const { shape } = builder.typeOf(id);
  const longer = [...shape, ...Array.from({ length: trailing }, () => 1)];
  const value = builder.constant(id);
  if (value !== undefined) return builder.initializer(reshaped(value, longer), `${id}/column`);
  return builder.emit("Reshape", [id, builder.integers(longer, `${id}/shape`)]);
}

function reshaped(value: Tensor, shape: readonly number[]): Tensor {
  return tensor(value.dtype, shape, value.data);
}

/** A slope [c] stands along axis 1. */
export function lowerPrelu(node: Node<"prelu">, builder: Builder): void {
  const [input = "", slope = ""] = node.inputs;
  const rank = builder.typeOf(input).shape.length;
  const slopes = builder.typeOf(slope).shape;
  const single = slopes.reduce((product, dim) => product * dim, 1) === 1;
  const column = single || slopes.length !== 1 ? slope : withTrailingOnes(slope, rank - 2, builder);
  builder.emit("PRelu", [input, column], {}, node.id);
}

export function lowerElu(node: Node<"elu">, builder: Builder): void {
  builder.emit("Elu", node.inputs, { alpha: float(node.attrs.alpha) }, node.id);
}

/** `shift + scale * x` as links; none where it is x. */
function affine(node: Node, builder: Builder, scale: number, shift: number): (Link | undefined)[] {
  return [
    scale === 1 ? undefined : { op: "Mul", inputs: [builder.scalar(scale, `${node.id}/scale`)] },
    shift === 0 ? undefined : { op: "Add", inputs: [builder.scalar(shift, `${node.id}/shift`)] },
  ];
}

export function lowerPower(node: Node<"power">, builder: Builder): void {
  const { power, scale, shift } = node.attrs;
  const negated = scale === -1 && shift === 0;
  const links = [
    ...(negated ? [{ op: "Neg" }] : affine(node, builder, scale, shift)),
    powerLink(node, builder, power),
  ];
  emitChain(builder, node.inputs[0] ?? "", links, node.id);
}

function powerLink(node: Node, builder: Builder, power: number): Link | undefined {
  if (power === 1) return undefined;
  if (power === 0.5) return { op: "Sqrt" };
  if (power === -1) return { op: "Reciprocal" };
  return { op: "Pow", inputs: [builder.scalar(power, `${node.id}/power`)] };
}

/** `base ^ y = e ^ (ln(base) * y)`. */
export function lowerExp(node: Node<"exp">, builder: Builder): void {
  const { base, scale, shift } = node.attrs;
  const factor = base === -1 ? 1 : Math.log(base);
  const links = [...affine(node, builder, scale * factor, shift * factor), { op: "Exp" }];
  emitChain(builder, node.inputs[0] ?? "", links, node.id);
}

/** `log_base(y) = ln(y) / ln(base)`. */
export function lowerLog(node: Node<"log">, builder: Builder): void {
  const { base, scale, shift } = node.attrs;
  const divide =
    base === -1
      ? undefined
      : { op: "Mul", inputs: [builder.scalar(1 / Math.log(base), `${node.id}/base`)] };
  const links = [...affine(node, builder, scale, shift), { op: "Log" }, divide];
  emitChain(builder, node.inputs[0] ?? "", links, node.id);
}

/**
 * Before opset 13 Softmax took all axes from `axis` on as one: other axes are brought to the end
 * first.
 */
export function lowerSoftmax(node: Node<"softmax">, builder: Builder): void {
  const [input = ""] = node.inputs;
  const type = builder.knownType(input);
  if (builder.opset >= 13 && type === undefined) {
    builder.emit("Softmax", [input], { axis: int(node.attrs.axis) }, node.id);
    return;
  }
  const { shape } = builder.typeOf(input);
  const axis = node.attrs.axis < 0 ? node.attrs.axis + shape.length : node.attrs.axis;
  if (builder.opset >= 13 || shape.slice(axis + 1).every((dim) => dim === 1)) {
    builder.emit("Softmax", [input], { axis: int(axis) }, node.id);
    return;
  }
  const swap = shape
    .map((_, at) => at)
    .with(axis, shape.length - 1)
    .with(shape.length - 1, axis);
  const last = { op: "Softmax", attributes: { axis: int(shape.length - 1) } };
  const turn = { op: "Transpose", attributes: { perm: ints(swap) } };
  emitChain(builder, input, [turn, last, turn], node.id);
}
