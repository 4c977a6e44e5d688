/**
 * Softmax along one axis with the cross entropy of a label at every other place: Caffe's SoftmaxWithLoss.
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
  total,
  valuesOf,
  type WrittenLoss,
} from "./loss-rule.ts";
import { divided, divisorOf, emitDivisor, float, type Places, weighted } from "./normalizer.ts";

type SoftmaxLoss = LossOf<"softmax">;

/** The smallest normal float32: Caffe's FLT_MIN, below which a probability is not taken. */
const smallest = 2 ** -126;

function placesOf(shape: readonly number[], axis: number, ignored: number): Places {
  const samples = elementCount(shape.slice(0, axis));
  const inner = elementCount(shape.slice(axis + 1));
  return { samples, inner, valid: samples * inner - ignored };
}

function define(loss: SoftmaxLoss, inputs: LossInputs): DefinedLoss {
  const shape = inputs.get(loss.scores)?.shape ?? [];
  const [x, labels] = [valuesOf(inputs, loss.scores), valuesOf(inputs, loss.label)];
  const classes = shape[loss.axis] ?? 1;
  const ignored = labels.reduce((count, label) => count + (label === loss.ignoreLabel ? 1 : 0), 0);
  const places = placesOf(shape, loss.axis, ignored);
  const divisor = divisorOf(loss.normalization, places);
  const gradient = new Float64Array(x.length);
  let sum = 0;
  for (const [place, label] of labels.entries()) {
    if (label === loss.ignoreLabel) continue;
    const first =
      Math.floor(place / places.inner) * classes * places.inner + (place % places.inner);
    const at = (one: number): number => first + one * places.inner;
    const p = probabilities(Array.from({ length: classes }, (_, one) => x[at(one)] ?? 0));
    sum -= Math.log(Math.max(p[label] ?? 0, smallest));
    for (const [one, share] of p.entries()) {
      gradient[at(one)] = ((share - (one === label ? 1 : 0)) * loss.weight) / divisor;
    }
  }
  return { value: sum / divisor, gradients: new Map([[loss.scores, gradient]]) };
}

function probabilities(scores: readonly number[]): readonly number[] {
  const largest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/**
 * `p - onehot` is the gradient, so the probabilities are computed once. A label is compared with all classes, which
 * finds its probability and its one-hot row without indices; an ignored one is no class.
 */
function emit(loss: SoftmaxLoss, tape: Tape): WrittenLoss {
  const { scores, axis, weight, ignoreLabel } = loss;
  const shape = tape.shapeOf(scores);
  const row = shape.with(axis, 1);
  const isRow = tape.shapeOf(loss.label).join() === row.join();
  const label = isRow ? loss.label : tape.reshape(loss.label, row);
  const p = tape.emit("Softmax", [scores], { axis: int(axis) });
  const isLabel = tape.emit("Equal", [label, classNumbers(tape, shape, axis)]);
  const ignored =
    ignoreLabel === undefined ? undefined : tape.emit("Equal", [label, tape.number(ignoreLabel)]);
  const places = placesOf(shape, axis, 0);
  const mask = ignored === undefined ? undefined : { name: ignored, rank: shape.length };
  const divisor = emitDivisor(loss.normalization, places, mask, tape);
  const own = tape.sum(tape.where(isLabel, p), [axis], true);
  const logs = tape.emit("Log", [tape.emit("Max", [own, tape.number(smallest)])]);
  const sum = total(tape, zeroWhere(tape, ignored, logs), shape.length);
  return {
    value: divided(tape, tape.emit("Neg", [sum]), divisor),
    backward: (scale) => {
      const gradient = zeroWhere(tape, ignored, tape.sub(p, float(tape, isLabel)));
      return new Map([[scores, weighted(tape, gradient, [weight, divisor], scale)]]);
    },
  };
}

/** The classes 0, 1, ... along the axis. */
function classNumbers(tape: Tape, shape: readonly number[], axis: number): string {
  const classes = shape[axis] ?? 1;
  const values = Float32Array.from({ length: classes }, (_, one) => one);
  return tape.initializer(
    float32([classes, ...shape.slice(axis + 1).map(() => 1)], values),
    "classes",
  );
}

function zeroWhere(tape: Tape, mask: string | undefined, x: string): string {
  return mask === undefined ? x : tape.emit("Where", [mask, tape.number(0), x]);
}

export const softmaxLoss: LossRule<"softmax"> = { define, emit };
