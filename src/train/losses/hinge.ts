/**
 * One-against-all hinge loss of class scores, L1 or squared: Caffe's HingeLoss.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { elementCount } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import type { Tape } from "../tape.ts";
import {
  type DefinedLoss,
  type LossInputs,
  type LossOf,
  type LossRule,
  scaled,
  total,
  valuesOf,
  type WrittenLoss,
} from "./loss-rule.ts";

type HingeLoss = LossOf<"hinge">;

function define({ scores, label, norm, weight }: HingeLoss, inputs: LossInputs): DefinedLoss {
  const [x, labels] = [valuesOf(inputs, scores), valuesOf(inputs, label)];
  const samples = labels.length;
  const classes = x.length / samples;
  const gradient = new Float64Array(x.length);
  let sum = 0;
  for (const [at, score] of x.entries()) {
    const sign = labels[Math.floor(at / classes)] === at % classes ? -1 : 1;
    const margin = Math.max(0, 1 + sign * score);
    sum += norm === "L1" ? margin : margin * margin;
    const slope = norm === "L1" ? Math.sign(margin) : 2 * margin;
    gradient[at] = (sign * slope * weight) / samples;
  }
  return { value: sum / samples, gradients: new Map([[scores, gradient]]) };
}

function emit({ scores, label, norm, weight }: HingeLoss, tape: Tape): WrittenLoss {
  const shape = tape.shapeOf(scores);
  const [samples = 1, ...rest] = shape;
  const classes = elementCount(rest);
  const isMatrix = shape.length === 2;
  const matrix = isMatrix ? scores : tape.reshape(scores, [samples, classes]);
  const column = tape.reshape(label, [samples, 1]);
  const numbers = Float32Array.from({ length: classes }, (_, one) => one);
  const isLabel = tape.emit("Equal", [
    column,
    tape.initializer(float32([classes], numbers), "classes"),
  ]);
  const sign = tape.emit("Where", [isLabel, tape.number(-1), tape.number(1)]);
  const margin = tape.emit("Relu", [tape.add(tape.mul(matrix, sign), tape.number(1))]);
  const sum =
    norm === "L1"
      ? total(tape, margin, 2)
      : tape.emit("ReduceSumSquare", [margin], { keepdims: int(0) });
  return {
    value: tape.div(sum, tape.number(samples)),
    backward: (scale) => {
      const slope = norm === "L1" ? tape.emit("Sign", [margin]) : margin;
      const factor = ((norm === "L1" ? 1 : 2) * weight) / samples;
      const gradient = scaled(tape, tape.mul(sign, slope), factor, scale);
      return new Map([[scores, isMatrix ? gradient : tape.reshape(gradient, shape)]]);
    },
  };
}

export const hingeLoss: LossRule<"hinge"> = { define, emit };
