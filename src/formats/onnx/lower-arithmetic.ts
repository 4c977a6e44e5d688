/**
 * Arithmetic of several values as ONNX nodes.
 */
import type { Node } from "../../ir/ops.ts";
import type { Builder } from "./builder.ts";

/** `op(op(a, b), c)...`, named `output`; one input alone is an Identity. */
function fold(op: string, values: readonly string[], builder: Builder, output: string): void {
  const [first = "", ...rest] = values;
  if (rest.length === 0) builder.emit("Identity", [first], {}, output);
  let sum = first;
  for (const [index, value] of rest.entries()) {
    sum = builder.emit(op, [sum, value], {}, index === rest.length - 1 ? output : undefined);
  }
}

/** Coefficients become Mul, or Sub where one is -1. */
export function lowerAdd(node: Node<"add">, builder: Builder): void {
  const { coefficients } = node.attrs;
  const [first = "", second = "", ...more] = node.inputs;
  if (coefficients === undefined) {
    if (more.length > 0 && builder.opset >= 8) builder.emit("Sum", node.inputs, {}, node.id);
    else fold("Add", node.inputs, builder, node.id);
    return;
  }
  if (node.inputs.length === 2 && coefficients[0] === 1 && coefficients[1] === -1) {
    builder.emit("Sub", [first, second], {}, node.id);
    return;
  }
  const terms = node.inputs.map((input, index) => {
    const factor = coefficients[index] ?? 1;
    if (factor === 1) return input;
    return builder.emit("Mul", [input, builder.scalar(factor, `${node.id}/coefficient`)]);
  });
  fold("Add", terms, builder, node.id);
}

export function lowerSub(node: Node<"sub">, builder: Builder): void {
  fold("Sub", node.inputs, builder, node.id);
}

export function lowerMul(node: Node<"mul">, builder: Builder): void {
  fold("Mul", node.inputs, builder, node.id);
}

export function lowerDiv(node: Node<"div">, builder: Builder): void {
  fold("Div", node.inputs, builder, node.id);
}

export function lowerMaximum(node: Node<"maximum">, builder: Builder): void {
  builder.emit("Max", node.inputs, {}, node.id);
}
