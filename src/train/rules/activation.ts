/**
 * Gradients of functions of one value (but relu and clip), and of softmax. Most are written with the forward result `y`.
 */
import {
  lowerElu,
  lowerExp,
  lowerLog,
  lowerPower,
  lowerPrelu,
  lowerSoftmax,
} from "../../formats/onnx/lower-activation.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tape, TrainRule } from "../tape.ts";
import { channelsOf, sumToChannels } from "./columns.ts";

/** `y = x > 0 ? x : slope * x`: `dslope` sums `dy * x` where x is not above 0. */
export const prelu: TrainRule<"prelu"> = (node, tape) => {
  lowerPrelu(node, tape);
  const [x = "", slope = ""] = node.inputs;
  const shape = tape.shapeOf(x);
  return (dy, [wantsX, wantsSlope]) => {
    const sloped = (): string => tape.mul(dy, channelsOf(tape, slope, shape.length));
    const falling = (): string => tape.mul(dy, tape.emit("Min", [x, tape.number(0)]));
    return [
      wantsX ? tape.emit("Where", [isPositive(tape, x), dy, sloped()]) : undefined,
      wantsSlope ? sumToChannels(tape, falling(), shape, slope) : undefined,
    ];
  };
};

function isPositive(tape: Tape, x: string): string {
  return tape.emit("Greater", [x, tape.number(0)]);
}

/** Where x is not above 0 `y = alpha * (e^x - 1)`, and its derivative is `y + alpha`. */
export const elu: TrainRule<"elu"> = (node, tape) => {
  lowerElu(node, tape);
  const [x = ""] = node.inputs;
  return (dy) => {
    const below = tape.mul(dy, tape.add(node.id, tape.number(node.attrs.alpha)));
    return [tape.emit("Where", [isPositive(tape, x), dy, below])];
  };
};

/** `y' = y * (1 - y)`. */
export const sigmoid: TrainRule<"sigmoid"> = (node, tape) => {
  tape.emit("Sigmoid", node.inputs, {}, node.id);
  return (dy) => [tape.mul(dy, tape.mul(node.id, tape.sub(tape.number(1), node.id)))];
};

/** `y' = 1 - y^2`. */
export const tanh: TrainRule<"tanh"> = (node, tape) => {
  tape.emit("Tanh", node.inputs, {}, node.id);
  return (dy) => [tape.mul(dy, tape.sub(tape.number(1), tape.mul(node.id, node.id)))];
};

/** At 0 no gradient passes, as in Caffe. */
export const abs: TrainRule<"abs"> = (node, tape) => {
  tape.emit("Abs", node.inputs, {}, node.id);
  return (dy) => [tape.mul(dy, tape.emit("Sign", node.inputs))];
};

/** `y = u ^ p` with `u = shift + scale * x`: `y' = p * scale * u ^ (p - 1)`. */
export const power: TrainRule<"power"> = (node, tape) => {
  lowerPower(node, tape);
  const [x = ""] = node.inputs;
  const { power: exponent, scale, shift } = node.attrs;
  const factor = exponent * scale;
  if (factor === 0) return undefined;
  return (dy) => {
    if (exponent === 1) return [times(tape, dy, factor)];
    const base = affine(tape, x, scale, shift);
    return [times(tape, tape.mul(dy, powerOf(tape, base, exponent - 1)), factor)];
  };
};

function powerOf(tape: Tape, base: string, exponent: number): string {
  return exponent === 1 ? base : tape.emit("Pow", [base, tape.number(exponent)]);
}

function times(tape: Tape, x: string, factor: number): string {
  return factor === 1 ? x : tape.mul(x, tape.number(factor));
}

function affine(tape: Tape, x: string, scale: number, shift: number): string {
  const scaled = times(tape, x, scale);
  return shift === 0 ? scaled : tape.add(scaled, tape.number(shift));
}

/** `y' = y * scale * ln(base)`. */
export const exp: TrainRule<"exp"> = (node, tape) => {
  lowerExp(node, tape);
  const { base, scale } = node.attrs;
  return (dy) => [times(tape, tape.mul(dy, node.id), scale * naturalLog(base))];
};

/** `y' = scale / (ln(base) * (shift + scale * x))`. */
export const log: TrainRule<"log"> = (node, tape) => {
  lowerLog(node, tape);
  const [x = ""] = node.inputs;
  const { base, scale, shift } = node.attrs;
  return (dy) => [
    times(tape, tape.div(dy, affine(tape, x, scale, shift)), scale / naturalLog(base)),
  ];
};

/** -1 stands for the base e. */
function naturalLog(base: number): number {
  return base === -1 ? 1 : Math.log(base);
}

/** `dx = y * (dy - sum(dy * y))`, the sum along the axis. */
export const softmax: TrainRule<"softmax"> = (node, tape) => {
  lowerSoftmax(node, tape);
  const axis = normalizeAxis(node.attrs.axis, tape.shapeOf(node.id).length);
  return (dy) => {
    const sum = tape.sum(tape.mul(dy, node.id), [axis], true);
    return [tape.mul(node.id, tape.sub(dy, sum))];
  };
};
