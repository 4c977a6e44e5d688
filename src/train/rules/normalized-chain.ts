/**
 * Batch norm, scale and activation as one operator: `y = activation(gamma * h + beta)`, h the normalized x. The scale
 * is that of the norm itself, a grid of levels is its unit, and on the way back two sums and one affine combination do.
 */
import { float } from "../../formats/onnx/attribute.ts";
import type { Node } from "../../ir/ops.ts";
import { elementCount } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import type { NormalizedChain } from "../chains.ts";
import type { Backward, Tape } from "../tape.ts";
import {
  channels,
  emitBatchNorm,
  inverseDeviation,
  keepSums,
  type Moments,
  perChannel,
  sumByChannel,
} from "./batch-norm.ts";
import { sumToChannels } from "./columns.ts";
import { asNumber } from "./relu.ts";

/** Added before a floor this rounds a float32 that is not negative half up: 0.5 itself takes 0.49999997 to 1. */
const belowHalf = 0.5 - 2 ** -25;

/** Writes the chain's last value; the gradients are those of x, gamma, beta (if any) and cap (if any), in this order. */
export function normalizedChain(chain: NormalizedChain, tape: Tape): Backward {
  const { norm, statistics, activation } = chain;
  const [x = ""] = norm.inputs;
  const [, gamma = "", beta] = chain.scale.inputs;
  const unit = unitOf(activation, tape);
  const given = {
    gamma: unit === undefined ? gamma : tape.mul(gamma, unit),
    beta: offset(beta, unit, tape, tape.shapeOf(gamma)[0] ?? 1),
  };
  const { y: u, ...moments } = emitBatchNorm(tape, norm, statistics, given);
  keepSums(tape, x, statistics, moments);
  emitActivation(chain, u, tape);
  return (dy, wants) => {
    const masks = masksOf(activation, u, tape);
    const g = masks === undefined ? dy : tape.mul(dy, asNumber(tape, masks.inside()));
    const back = normBackward(tape, { x, gamma, moments, epsilon: norm.attrs.epsilon }, g);
    const gradients = [back.dx, () => back.dgamma];
    if (beta !== undefined) gradients.push(() => back.dbeta);
    if (unit !== undefined) gradients.push(() => capGradient(chain, dy, masks?.capped ?? "", tape));
    return gradients.map((gradient, index) => (wants[index] === true ? gradient() : undefined));
  };
}

/** The sum of what goes to the cap, in its shape. */
function capGradient(
  { norm, activation }: NormalizedChain,
  dy: string,
  capped: string,
  tape: Tape,
): string {
  const shape = tape.shapeOf(norm.inputs[0] ?? "");
  const passed = tape.mul(dy, asNumber(tape, capped));
  return sumToChannels(tape, passed, shape, activation?.inputs[1] ?? "");
}

/** The levels per unit of the activation's input, [c] or [1]; undefined where there is no grid. */
function unitOf(activation: NormalizedChain["activation"], tape: Tape): string | undefined {
  if (activation?.op !== "quantRelu") return undefined;
  const cap = activation.inputs[1] ?? "";
  return tape.div(tape.number(levels(activation)), tape.reshape(cap, [-1]));
}

const levels = ({ attrs }: Node<"quantRelu">): number => 2 ** attrs.bits - 1;

/** Beta in units of levels, half a level above it: what the norm adds. */
function offset(
  beta: string | undefined,
  unit: string | undefined,
  tape: Tape,
  count: number,
): string | undefined {
  if (unit === undefined) return beta;
  if (beta !== undefined) return tape.add(tape.mul(beta, unit), tape.number(belowHalf));
  return tape.initializer(float32([count], new Float32Array(count).fill(belowHalf)), "half");
}

function emitActivation({ scale, activation }: NormalizedChain, u: string, tape: Tape): void {
  if (activation === undefined) {
    tape.emit("Identity", [u], {}, scale.id);
    return;
  }
  if (activation.op === "relu") {
    tape.emit("Relu", [u], {}, activation.id);
    return;
  }
  const q = levels(activation);
  const bounds = [tape.number(belowHalf), tape.number(q + belowHalf)];
  const level = tape.emit("Floor", [tape.emit("Clip", [u, ...bounds])]);
  const cap = activation.inputs[1] ?? "";
  const step = tape.div(tape.reshape(cap, [-1]), tape.number(q));
  const single = elementCount(tape.shapeOf(cap)) === 1;
  const column = single ? step : channels(tape, step, activation.id);
  tape.emit("Mul", [level, column], {}, activation.id);
}

/** Where the gradient passes, and where it goes to the cap. */
type Masks = { readonly inside: () => string; readonly capped: string };

function masksOf(
  activation: NormalizedChain["activation"],
  u: string,
  tape: Tape,
): Masks | undefined {
  if (activation === undefined) return undefined;
  if (activation.op === "relu") {
    return { inside: () => tape.emit("Greater", [u, tape.number(0)]), capped: "" };
  }
  const above = tape.emit("Greater", [u, tape.number(belowHalf)]);
  const capped = tape.emit("GreaterOrEqual", [u, tape.number(levels(activation) + belowHalf)]);
  return { inside: () => tape.emit("Xor", [above, capped]), capped };
}

type Normalized = {
  readonly x: string;
  readonly gamma: string;
  readonly moments: Moments;
  readonly epsilon: number;
};

type NormGradients = {
  readonly dx: () => string;
  readonly dgamma: string;
  readonly dbeta: string;
};

/**
 * With m values per channel and g the gradient of `gamma * h + beta`: `dbeta = sum(g)`, `dgamma = sum(g * h)` and
 * `dx = gamma / deviation * (g - dbeta / m - h * dgamma / m)`.
 */
function normBackward(
  tape: Tape,
  { x, gamma, moments: { mean, variance }, epsilon }: Normalized,
  g: string,
): NormGradients {
  const inverse = inverseDeviation(tape, variance, epsilon);
  const dbeta = sumByChannel(tape, g, x);
  const products = sumByChannel(tape, tape.mul(g, x), x);
  const dgamma = tape.mul(tape.sub(products, tape.mul(mean, dbeta)), inverse);
  const dx = (): string => {
    const factor = tape.mul(gamma, inverse);
    const share = tape.mul(factor, tape.number(-1 / perChannel(tape, x)));
    // share * (dbeta + (x - mean) * inverse * dgamma), as a batch norm of variance 1.
    const slope = tape.mul(share, tape.mul(inverse, dgamma));
    const count = tape.shapeOf(gamma)[0] ?? 1;
    const ones = tape.initializer(float32([count], new Float32Array(count).fill(1)), "ones");
    const rest = tape.emit("BatchNormalization", [x, slope, tape.mul(share, dbeta), mean, ones], {
      epsilon: float(0),
    });
    return tape.add(tape.mul(g, channels(tape, factor, x)), rest);
  };
  return { dx, dgamma, dbeta };
}
