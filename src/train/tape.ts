/**
 * Writes the ONNX graph of a training step: what a gradient rule sees. A rule writes the forward nodes of one operator
 * and returns how gradients go back through it; the tape keeps these for the way back.
 */

import { int, ints } from "../formats/onnx/attribute.ts";
import type { Builder } from "../formats/onnx/builder.ts";
import type { Node, Op, OpTable } from "../ir/ops.ts";
import type { BatchStatistics } from "../ir/training.ts";
import type { Shape } from "../tensor/shape.ts";
import { float32 } from "../tensor/tensor.ts";
import type { Kernels } from "./kernels.ts";

/** Gradients of the node's inputs, in their order; undefined where none was wanted or none flows. */
export type InputGradients = readonly (string | undefined)[];

/**
 * Writes the way back of one node. `dy` names the gradient of its output, of the output's shape; `wants[i]` is false
 * where nobody needs the gradient of input i, so that it need not be computed.
 */
export type Backward = (dy: string, wants: readonly boolean[]) => InputGradients;

/**
 * Writes the forward nodes of `node` (its value is named `node.id`) and gives the way back; undefined where no
 * gradient passes, as through an arg max.
 */
export type TrainRule<K extends Op> = (node: Node<K>, tape: Tape) => Backward | undefined;
export type TrainRules = OpTable<[tape: Tape], Backward | undefined>;

/** A builder with what gradients often need. Shapes are known: the batch is fixed. */
export type Tape = Builder & {
  /** Elementwise, with numpy's broadcasting. */
  readonly add: (a: string, b: string) => string;
  readonly sub: (a: string, b: string) => string;
  readonly mul: (a: string, b: string) => string;
  readonly div: (a: string, b: string) => string;
  /** Sums over axes; the result keeps them as 1 where `keep`. */
  readonly sum: (x: string, axes: readonly number[], keep?: boolean) => string;
  readonly reshape: (x: string, shape: Shape) => string;
  readonly transpose: (x: string, perm: readonly number[]) => string;
  /** A float32 constant of rank 0. */
  readonly number: (value: number) => string;
  /** `x` where `mask` (bool) is true, else 0. */
  readonly where: (mask: string, x: string) => string;
  /** Shape of one of the graph's values. */
  readonly shapeOf: (id: string) => Shape;
  /**
   * Sums `dy` [of shape `from`] down to `to`, the shape of an operand that was broadcast to `from`.
   * The same name where both are equal.
   */
  readonly unbroadcast: (dy: string, from: Shape, to: Shape) => string;
  /** Says which node the following ones are written for: names of what is in between begin with it. */
  readonly at: (id: string) => void;
  /** What the step is written for. */
  readonly kernels: Kernels;
  /** The batch norm's statistics, where it takes them from the batch. */
  readonly statisticsOf: (id: string) => BatchStatistics | undefined;
  /** A value of the state after this iteration: `key` becomes `value`. Batch norms report their sums so. */
  readonly update: (key: string, value: string) => void;
  /** The name under which a value of the state comes in (before this iteration). */
  readonly state: (key: string) => string;
  /**
   * A float32 input that is drawn anew for every iteration from the run's seed: each element is 0 with
   * probability `ratio`, else `1 / (1 - ratio)`.
   */
  readonly dropoutMask: (id: string, shape: Shape, ratio: number) => string;
};

export type TapeOptions = Pick<
  Tape,
  "at" | "kernels" | "statisticsOf" | "update" | "state" | "dropoutMask"
>;

/** A tape over a builder. */
export function createTape(builder: Builder, options: TapeOptions): Tape {
  const { emit } = builder;
  const scalars = new Map<number, string>();
  const number = (value: number): string => {
    const known = scalars.get(value);
    if (known !== undefined) return known;
    const name = builder.initializer(float32([], [value]), "number");
    scalars.set(value, name);
    return name;
  };
  const sum: Tape["sum"] = (x, axes, keep = false) =>
    emit("ReduceSum", [x, builder.integers(axes, "axes")], { keepdims: int(keep ? 1 : 0) });
  const reshape: Tape["reshape"] = (x, shape) =>
    emit("Reshape", [x, builder.integers(shape, "shape")]);
  return {
    ...builder,
    ...options,
    add: (a, b) => emit("Add", [a, b]),
    sub: (a, b) => emit("Sub", [a, b]),
    mul: (a, b) => emit("Mul", [a, b]),
    div: (a, b) => emit("Div", [a, b]),
    sum,
    reshape,
    transpose: (x, perm) => emit("Transpose", [x], { perm: ints(perm) }),
    number,
    where: (mask, x) => emit("Where", [mask, x, number(0)]),
    shapeOf: (id) => builder.typeOf(id).shape,
    unbroadcast: (dy, from, to) => {
      const lead = from.length - to.length;
      const axes = from.flatMap((dim, axis) =>
        axis < lead || (to[axis - lead] === 1 && dim !== 1) ? [axis] : [],
      );
      if (axes.length === 0) return dy;
      return reshape(sum(dy, axes), to);
    },
  };
}
