/**
 * Arithmetic of two or more tensors that broadcast as numpy does.
 */
import { usageError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { type Shape, sameShape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { broadcastIndices } from "./indices.ts";
import { doubles, input, type Kernel, type Run, reals, realTensor } from "./kernel.ts";

/** Input `index` in double, repeated to the output's shape. */
function spread(node: Node, inputs: readonly Tensor[], index: number, to: Shape): Float64Array {
  const x = reals(node, inputs, index);
  const { shape } = input(node, inputs, index);
  if (sameShape(shape, to)) return new Float64Array(x);
  const places = broadcastIndices(shape, to);
  return Float64Array.from(places, (place) => x[place]!);
}

/** All inputs from left to right. */
function combined(
  node: Node,
  inputs: readonly Tensor[],
  run: Run,
  f: (left: number, right: number) => number,
): Tensor {
  const values = spread(node, inputs, 0, run.shape);
  for (let index = 1; index < inputs.length; index += 1) {
    const right = spread(node, inputs, index, run.shape);
    for (let at = 0; at < values.length; at += 1) values[at] = f(values[at]!, right[at]!);
  }
  return realTensor(run, values);
}

export const add: Kernel<"add"> = (node, inputs, run) => {
  const { coefficients } = node.attrs;
  if (coefficients !== undefined && coefficients.length !== inputs.length) {
    throw usageError("needs one coefficient per input", {
      node: describe(node),
      expected: `${inputs.length}`,
      got: `${coefficients.length}`,
    });
  }
  const sums = doubles(run.shape);
  for (let index = 0; index < inputs.length; index += 1) {
    const terms = spread(node, inputs, index, run.shape);
    const coefficient = coefficients?.[index] ?? 1;
    for (let at = 0; at < sums.length; at += 1) sums[at]! += coefficient * terms[at]!;
  }
  return realTensor(run, sums);
};

export const sub: Kernel<"sub"> = (node, inputs, run) =>
  combined(node, inputs, run, (a, b) => a - b);

export const mul: Kernel<"mul"> = (node, inputs, run) =>
  combined(node, inputs, run, (a, b) => a * b);

export const div: Kernel<"div"> = (node, inputs, run) =>
  combined(node, inputs, run, (a, b) => a / b);

export const maximum: Kernel<"maximum"> = (node, inputs, run) =>
  combined(node, inputs, run, Math.max);
