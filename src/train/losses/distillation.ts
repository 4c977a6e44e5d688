/**
 * The cross entropy of a network's softened scores with a teacher's, less the teacher's own entropy: what the one does not
 * say as the other does. Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { elementCount } from "../../tensor/shape.ts";
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

type DistillationLoss = LossOf<"distillation">;

/** Log-softmax of `scores / temperature` at one place. */
function logShares(scores: readonly number[], temperature: number): readonly number[] {
  const largest = Math.max(...scores);
  const over = scores.map((score) => (score - largest) / temperature);
  const log = Math.log(over.reduce((sum, value) => sum + Math.exp(value), 0));
  return over.map((value) => value - log);
}

function define(loss: DistillationLoss, inputs: LossInputs): DefinedLoss {
  const { scores, teacher, temperature: t, weight } = loss;
  const shape = inputs.get(scores)?.shape ?? [];
  const [samples = 1, classes = 1] = shape;
  const inner = elementCount(shape.slice(2));
  const [x, y] = [valuesOf(inputs, scores), valuesOf(inputs, teacher)];
  const gradient = new Float64Array(x.length);
  let sum = 0;
  for (let place = 0; place < samples * inner; place += 1) {
    const first = Math.floor(place / inner) * classes * inner + (place % inner);
    const at = (one: number): number => first + one * inner;
    const row = (values: Float64Array): readonly number[] =>
      logShares(
        Array.from({ length: classes }, (_, one) => values[at(one)] ?? 0),
        t,
      );
    const [p, q] = [row(x), row(y)];
    for (let one = 0; one < classes; one += 1) {
      const [logP = 0, logQ = 0] = [p[one], q[one]];
      sum += Math.exp(logQ) * (logQ - logP);
      gradient[at(one)] = (weight * t * (Math.exp(logP) - Math.exp(logQ))) / samples;
    }
  }
  return { value: (t * t * sum) / samples, gradients: new Map([[scores, gradient]]) };
}

function emit(loss: DistillationLoss, tape: Tape): WrittenLoss {
  const { scores, teacher, temperature, weight } = loss;
  const shape = tape.shapeOf(scores);
  const [samples = 1] = shape;
  const logs = (id: string): string =>
    tape.emit("LogSoftmax", [scaled(tape, id, 1 / temperature, undefined)], { axis: int(1) });
  const [p, q] = [logs(scores), logs(teacher)];
  const shares = tape.emit("Exp", [q]);
  const sum = total(tape, tape.mul(shares, tape.sub(q, p)), shape.length);
  return {
    value: tape.mul(sum, tape.number(temperature ** 2 / samples)),
    backward: (scale) => {
      const gradient = tape.sub(tape.emit("Exp", [p]), shares);
      const factor = (weight * temperature) / samples;
      return new Map([[scores, scaled(tape, gradient, factor, scale)]]);
    },
  };
}

export const distillationLoss: LossRule<"distillation"> = { define, emit };
