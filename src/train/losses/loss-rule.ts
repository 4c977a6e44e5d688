/**
 * What every loss is given by: its definition in float64 (values and gradients by formula), and the ONNX nodes that a
 * training step computes it with.
 */
import { workError } from "../../error.ts";
import type { Loss } from "../../ir/training.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { toNumbers } from "../../tensor/tensor.ts";
import type { Tape } from "../tape.ts";

export type LossOf<K extends Loss["kind"]> = Extract<Loss, { readonly kind: K }>;

/** Tensors by id of the graph's values. */
export type LossInputs = ReadonlyMap<string, Tensor>;

export type DefinedLoss = {
  /** Without the loss's weight, as Caffe reports it. */
  readonly value: number;
  /** Gradients of `weight * value` by id of the input; labels have none. */
  readonly gradients: ReadonlyMap<string, Float64Array>;
};

export type WrittenLoss = {
  /** Name of the value, float32 of rank 0, without the loss's weight. */
  readonly value: string;
  /** Writes the gradients of `scale * weight * value` and gives their names by id; `scale` names a scalar, 1 if absent. */
  readonly backward: (scale?: string) => ReadonlyMap<string, string>;
};

export type LossRule<K extends Loss["kind"]> = {
  readonly define: (loss: LossOf<K>, inputs: LossInputs) => DefinedLoss;
  readonly emit: (loss: LossOf<K>, tape: Tape) => WrittenLoss;
};

/** The values behind an id. */
export function valuesOf(inputs: LossInputs, id: string): Float64Array {
  const value = inputs.get(id);
  if (value === undefined) throw workError("a value that the loss reads is missing", { got: id });
  return Float64Array.from(toNumbers(value));
}

/** Writes `x * factor * scale`, without a product by 1. */
export function scaled(tape: Tape, x: string, factor: number, scale: string | undefined): string {
  if (scale === undefined) return factor === 1 ? x : tape.mul(x, tape.number(factor));
  return tape.mul(x, factor === 1 ? scale : tape.mul(scale, tape.number(factor)));
}

/** The value `id` in the shape of the value `like`, which has as many elements. */
export function inShapeOf(tape: Tape, id: string, like: string): string {
  return sameShape(tape, id, like) ? id : tape.reshape(id, tape.shapeOf(like));
}

/** A gradient that was computed in the shape of `like`, in the shape of `id`. */
export function backInShape(tape: Tape, gradient: string, id: string, like: string): string {
  return sameShape(tape, id, like) ? gradient : tape.reshape(gradient, tape.shapeOf(id));
}

function sameShape(tape: Tape, a: string, b: string): boolean {
  return tape.shapeOf(a).join() === tape.shapeOf(b).join();
}

/** The sum of all elements, of rank 0. */
export function total(tape: Tape, x: string, rank: number): string {
  return tape.sum(
    x,
    Array.from({ length: rank }, (_, axis) => axis),
  );
}
