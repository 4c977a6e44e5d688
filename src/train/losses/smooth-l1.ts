/**
 * The smooth L1 distance, quadratic near 0 and straight beyond 1: Fast R-CNN's and SSD's SmoothL1Loss.
 */
import type { Tape } from "../tape.ts";
import {
  backInShape,
  type DefinedLoss,
  inShapeOf,
  type LossInputs,
  type LossOf,
  type LossRule,
  scaled,
  total,
  valuesOf,
  type WrittenLoss,
} from "./loss-rule.ts";

type SmoothL1Loss = LossOf<"smoothL1">;

function define(loss: SmoothL1Loss, inputs: LossInputs): DefinedLoss {
  const { a, b, inside, outside, weight } = loss;
  const [first, second] = [valuesOf(inputs, a), valuesOf(inputs, b)];
  const inner = inside === undefined ? undefined : valuesOf(inputs, inside);
  const outer = outside === undefined ? undefined : valuesOf(inputs, outside);
  const samples = inputs.get(a)?.shape[0] ?? 1;
  const gradient = new Float64Array(first.length);
  let sum = 0;
  for (const [at, value] of first.entries()) {
    const [before, after] = [inner?.[at] ?? 1, outer?.[at] ?? 1];
    const distance = (value - (second[at] ?? 0)) * before;
    const size = Math.abs(distance);
    sum += after * (size < 1 ? (distance * distance) / 2 : size - 0.5);
    const slope = size < 1 ? distance : Math.sign(distance);
    gradient[at] = (slope * before * after * weight) / samples;
  }
  const gradients = new Map([
    [a, gradient],
    [b, gradient.map((one) => -one)],
  ]);
  return { value: sum / samples, gradients };
}

/** With `c = min(|d|, 1)` both branches are `c * (|d| - c / 2)`, and the slope is d cut to -1..1. */
function emit({ a, b, inside, outside, weight }: SmoothL1Loss, tape: Tape): WrittenLoss {
  const shape = tape.shapeOf(a);
  const [samples = 1] = shape;
  const times = (x: string, factor: string | undefined): string =>
    factor === undefined ? x : tape.mul(x, inShapeOf(tape, factor, a));
  const distance = times(tape.sub(a, inShapeOf(tape, b, a)), inside);
  const size = tape.emit("Abs", [distance]);
  const cut = tape.emit("Min", [size, tape.number(1)]);
  const terms = tape.mul(cut, tape.sub(size, tape.mul(cut, tape.number(0.5))));
  return {
    value: tape.div(total(tape, times(terms, outside), shape.length), tape.number(samples)),
    backward: (scale) => {
      const clipped = tape.emit("Clip", [distance, tape.number(-1), tape.number(1)]);
      const slope = times(times(clipped, inside), outside);
      const share = weight / samples;
      const negative = scaled(tape, slope, -share, scale);
      return new Map([
        [a, scaled(tape, slope, share, scale)],
        [b, backInShape(tape, negative, b, a)],
      ]);
    },
  };
}

export const smoothL1Loss: LossRule<"smoothL1"> = { define, emit };
