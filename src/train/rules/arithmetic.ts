/**
 * Gradients of arithmetic with numpy's broadcasting: what an operand was repeated for is summed.
 */
import {
  lowerAdd,
  lowerDiv,
  lowerMaximum,
  lowerMul,
  lowerSub,
} from "../../formats/onnx/lower-arithmetic.ts";
import type { Node } from "../../ir/ops.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";

/** The way back where the gradient of each operand is known in the output's shape. */
function byOperand(
  node: Node,
  tape: Tape,
  gradient: (dy: string, index: number) => string,
): Backward {
  const from = tape.shapeOf(node.id);
  return (dy, wants) =>
    node.inputs.map((input, index) =>
      wants[index] ? tape.unbroadcast(gradient(dy, index), from, tape.shapeOf(input)) : undefined,
    );
}

export const add: TrainRule<"add"> = (node, tape) => {
  lowerAdd(node, tape);
  const { coefficients } = node.attrs;
  return byOperand(node, tape, (dy, index) => {
    const factor = coefficients?.[index] ?? 1;
    if (factor === 1) return dy;
    return factor === -1 ? tape.emit("Neg", [dy]) : tape.mul(dy, tape.number(factor));
  });
};

export const sub: TrainRule<"sub"> = (node, tape) => {
  lowerSub(node, tape);
  return byOperand(node, tape, (dy, index) => (index === 0 ? dy : tape.emit("Neg", [dy])));
};

/** `dy` times all other operands. */
export const mul: TrainRule<"mul"> = (node, tape) => {
  lowerMul(node, tape);
  return byOperand(node, tape, (dy, index) =>
    node.inputs.reduce(
      (product, input, at) => (at === index ? product : tape.mul(product, input)),
      dy,
    ),
  );
};

/** `y = a / b / ...`: `da = dy / b / ...`, `db = -dy * y / b`. */
export const div: TrainRule<"div"> = (node, tape) => {
  lowerDiv(node, tape);
  const [, ...divisors] = node.inputs;
  return byOperand(node, tape, (dy, index) => {
    if (index === 0) return divisors.reduce((quotient, divisor) => tape.div(quotient, divisor), dy);
    const share = tape.div(tape.mul(dy, node.id), node.inputs[index] ?? "");
    return tape.emit("Neg", [share]);
  });
};

/**
 * The gradient goes to the largest operand. Among equals Caffe takes the second before the first, and an earlier one
 * before the third and any further one.
 */
export const maximum: TrainRule<"maximum"> = (node, tape) => {
  lowerMaximum(node, tape);
  return (dy, wants) => {
    const from = tape.shapeOf(node.id);
    const contests = contestsOf(node.inputs, tape);
    const gradients: string[] = [];
    let rest = dy;
    for (const { kept, taken } of contests.toReversed()) {
      gradients.unshift(taken(rest));
      rest = kept(rest);
    }
    return [rest, ...gradients].map((gradient, index) =>
      wants[index]
        ? tape.unbroadcast(gradient, from, tape.shapeOf(node.inputs[index] ?? ""))
        : undefined,
    );
  };
};

/** One operand against the maximum of those before it: where the gradient stays with these, and where it does not. */
type Contest = {
  readonly kept: (dy: string) => string;
  readonly taken: (dy: string) => string;
};

function contestsOf([first = "", ...others]: readonly string[], tape: Tape): readonly Contest[] {
  const zero = tape.number(0);
  const whereNot = (mask: string, x: string): string => tape.emit("Where", [mask, zero, x]);
  let largest = first;
  return others.map((other, at) => {
    const before = largest;
    if (at < others.length - 1) largest = tape.emit("Max", [before, other]);
    const mask = tape.emit("Greater", at === 0 ? [before, other] : [other, before]);
    const where = (x: string): string => tape.where(mask, x);
    const not = (x: string): string => whereNot(mask, x);
    return at === 0 ? { kept: where, taken: not } : { kept: not, taken: where };
  });
}
