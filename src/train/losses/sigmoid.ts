/**
 * Cross entropy of sigmoids with a target for every element: Caffe's SigmoidCrossEntropyLoss.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { elementCode } from "../../formats/onnx/element-types.ts";
import { elementCount } from "../../tensor/shape.ts";
import { tensor } from "../../tensor/tensor.ts";
import type { Tape } from "../tape.ts";
import {
  type DefinedLoss,
  inShapeOf,
  type LossInputs,
  type LossOf,
  type LossRule,
  total,
  valuesOf,
  type WrittenLoss,
} from "./loss-rule.ts";
import { divided, divisorOf, emitDivisor, type Places, weighted } from "./normalizer.ts";

type SigmoidLoss = LossOf<"sigmoid">;

function placesOf(shape: readonly number[], ignored: number): Places {
  const count = elementCount(shape);
  const samples = shape[0] ?? 1;
  return { samples, inner: count / samples, valid: count - ignored };
}

function define(loss: SigmoidLoss, inputs: LossInputs): DefinedLoss {
  const [x, targets] = [valuesOf(inputs, loss.scores), valuesOf(inputs, loss.target)];
  const isIgnored = (target: number): boolean => Math.trunc(target) === loss.ignoreLabel;
  const ignored = targets.filter(isIgnored).length;
  const places = placesOf(inputs.get(loss.scores)?.shape ?? [], ignored);
  const divisor = divisorOf(loss.normalization, places);
  const gradient = new Float64Array(x.length);
  let sum = 0;
  for (const [at, score] of x.entries()) {
    const target = targets[at] ?? 0;
    if (isIgnored(target)) continue;
    sum += Math.max(score, 0) - score * target + Math.log1p(Math.exp(-Math.abs(score)));
    gradient[at] = ((1 / (1 + Math.exp(-score)) - target) * loss.weight) / divisor;
  }
  return { value: sum / divisor, gradients: new Map([[loss.scores, gradient]]) };
}

/** Softplus is `max(x, 0) + log(1 + exp(-|x|))`, so that no power overflows. Targets are cut to integers to be ignored. */
function emit(loss: SigmoidLoss, tape: Tape): WrittenLoss {
  const { scores, ignoreLabel, weight } = loss;
  const shape = tape.shapeOf(scores);
  const target = inShapeOf(tape, loss.target, scores);
  const ignored = ignoreLabel === undefined ? undefined : equalsInteger(tape, target, ignoreLabel);
  const mask = ignored === undefined ? undefined : { name: ignored, rank: shape.length };
  const divisor = emitDivisor(loss.normalization, placesOf(shape, 0), mask, tape);
  const valid = (x: string): string =>
    ignored === undefined ? x : tape.emit("Where", [ignored, tape.number(0), x]);
  const terms = tape.sub(tape.emit("Softplus", [scores]), tape.mul(scores, target));
  return {
    value: divided(tape, total(tape, valid(terms), shape.length), divisor),
    backward: (scale) => {
      const gradient = valid(tape.sub(tape.emit("Sigmoid", [scores]), target));
      return new Map([[scores, weighted(tape, gradient, [weight, divisor], scale)]]);
    },
  };
}

function equalsInteger(tape: Tape, x: string, value: number): string {
  const whole = tape.emit("Cast", [x], { to: int(elementCode("int32")) });
  return tape.emit("Equal", [
    whole,
    tape.initializer(tensor("int32", [], Int32Array.of(value)), "ignored"),
  ]);
}

export const sigmoidLoss: LossRule<"sigmoid"> = { define, emit };
