/**
 * Half the mean squared distance of samples: Caffe's EuclideanLoss. Both sides get a gradient.
 */
import { int } from "../../formats/onnx/attribute.ts";
import type { Tape } from "../tape.ts";
import {
  backInShape,
  type DefinedLoss,
  inShapeOf,
  type LossInputs,
  type LossOf,
  type LossRule,
  scaled,
  valuesOf,
  type WrittenLoss,
} from "./loss-rule.ts";

type EuclideanLoss = LossOf<"euclidean">;

function define({ a, b, weight }: EuclideanLoss, inputs: LossInputs): DefinedLoss {
  const other = valuesOf(inputs, b);
  const difference = valuesOf(inputs, a).map((value, at) => value - (other[at] ?? 0));
  const samples = inputs.get(a)?.shape[0] ?? 1;
  const squares = difference.reduce((sum, d) => sum + d * d, 0);
  const slope = difference.map((d) => (d * weight) / samples);
  const gradients = new Map([
    [a, slope],
    [b, slope.map((d) => -d)],
  ]);
  return { value: squares / samples / 2, gradients };
}

function emit({ a, b, weight }: EuclideanLoss, tape: Tape): WrittenLoss {
  const samples = tape.shapeOf(a)[0] ?? 1;
  const difference = tape.sub(a, inShapeOf(tape, b, a));
  const squares = tape.emit("ReduceSumSquare", [difference], { keepdims: int(0) });
  return {
    value: tape.div(squares, tape.number(2 * samples)),
    backward: (scale) => {
      const slope = (factor: number): string => scaled(tape, difference, factor, scale);
      const share = weight / samples;
      return new Map([
        [a, slope(share)],
        [b, backInShape(tape, slope(-share), b, a)],
      ]);
    },
  };
}

export const euclideanLoss: LossRule<"euclidean"> = { define, emit };
