/**
 * The operators of chips that shift: the definition that every faster path must equal bit for bit. What becomes of
 * one number is defined in fixed/; accumulators are doubles, exact for integers below 2^53.
 */
import { inputError, workError } from "../../error.ts";
import { reduceBits as reducedValue } from "../../fixed/reduce-bits.ts";
import { saturate } from "../../fixed/rounding.ts";
import { narrow, shiftRound } from "../../fixed/shift-round.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, elementCount } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { addPerChannel, convSizes } from "./convolution.ts";
import { correlate } from "./correlate.ts";
import {
  emptyData,
  filledTensor,
  input,
  integers,
  type Kernel,
  type Numeric,
  numbers,
  type Run,
  storedType,
} from "./kernel.ts";

/** Room for the output in its element type. */
function outputData(run: Run): Numeric {
  return emptyData(storedType(run.dtype, run.precision), elementCount(run.shape));
}

function outputTensor(run: Run, data: Numeric): Tensor {
  return filledTensor(storedType(run.dtype, run.precision), run.shape, data);
}

/** The integers of input `index`, held in any element type. Throws where a float holds none. */
function wholeNumbers(node: Node, inputs: readonly Tensor[], index: number): Float64Array {
  const values = new Float64Array(numbers(node, inputs, index));
  const broken = values.find((value) => !Number.isInteger(value));
  if (broken === undefined) return values;
  throw inputError(`input ${index} holds a value that is no integer`, {
    node: describe(node),
    got: `${broken}`,
    hint: "What enters a chip goes through reduceBits or toLevels",
  });
}

export const shiftConv: Kernel<"shiftConv"> = (node, inputs, run) => {
  const { attrs } = node;
  const x = wholeNumbers(node, inputs, 0);
  const weight = new Float64Array(integers(node, inputs, 1));
  const shapes = [input(node, inputs, 0).shape, input(node, inputs, 1).shape] as const;
  const sums = correlate(x, weight, convSizes(...shapes, run.shape, attrs), attrs);
  addPerChannel(sums, integers(node, inputs, 2, run.shape[1] ?? 1), run.shape);
  // What is added may lie on a finer grid: all sums are then taken on that one.
  const finer = inputs.length > 3 ? Math.max(0, -attrs.identityShift) : 0;
  if (inputs.length > 3) addIdentity(node, inputs, sums, finer);
  const out = outputData(run);
  const limited = limiter(node, finer);
  for (let at = 0; at < sums.length; at += 1) out[at] = limited(sums[at]!);
  return outputTensor(run, out);
};

/** `sums = (sums + identity * 2^identityShift) * 2^finer`, in place. */
function addIdentity(
  node: Node<"shiftConv">,
  inputs: readonly Tensor[],
  sums: Float64Array,
  finer: number,
): void {
  const identity = wholeNumbers(node, inputs, 3);
  if (identity.length !== sums.length) {
    throw inputError("what is added must have the shape of the output", {
      node: describe(node),
      expected: `${sums.length} elements`,
      got: `${identity.length}`,
    });
  }
  const [own, other] = [2 ** finer, 2 ** (node.attrs.identityShift + finer)];
  for (let at = 0; at < sums.length; at += 1) sums[at] = sums[at]! * own + identity[at]! * other;
}

/** What becomes of a total on the grid of `2^-(shift + finer)`. */
function limiter(node: Node<"shiftConv">, finer: number): (total: number) => number {
  const { accumulator, output, shift, identityShift } = node.attrs;
  const kept = (total: number): number =>
    accumulator === undefined ? total : narrow(total, accumulator.bits, accumulator.overflow);
  if (finer > 0 && (accumulator !== undefined || output.kind === "accumulator")) {
    throw inputError("what is added lies on a finer grid than the accumulator", {
      node: describe(node),
      expected: "an identity shift of 0 or more",
      got: `${identityShift}`,
    });
  }
  if (output.kind === "levels") {
    const { qMin, qMax } = output;
    return (total) => saturate(shiftRound(kept(total), shift + finer), qMin, qMax);
  }
  return (total) => {
    const result = kept(total);
    if (result === (result | 0)) return result;
    throw workError("an accumulator does not fit 32 bits", {
      node: describe(node),
      got: `${result}`,
    });
  };
}

/** Bit by bit as fixed/reduce-bits.ts has it. */
export const reduceBits: Kernel<"reduceBits"> = (node, inputs, run) => {
  const { from, to } = node.attrs;
  const x = numbers(node, inputs, 0);
  const out = outputData(run);
  for (let at = 0; at < x.length; at += 1) out[at] = reducedValue(x[at]!, from, to);
  return outputTensor(run, out);
};

/** In float32 arithmetic: division and sum are each rounded once. NaN gives 0. */
export const toLevels: Kernel<"toLevels"> = (node, inputs, run) => {
  const { qMax } = node.attrs;
  const step = Math.fround(node.attrs.step);
  const x = numbers(node, inputs, 0);
  const out = outputData(run);
  for (let at = 0; at < x.length; at += 1) {
    const steps = Math.fround(Math.fround(x[at]!) / step);
    out[at] = saturate(Math.floor(Math.fround(steps + 0.5)), 0, qMax);
  }
  return outputTensor(run, out);
};

export const zeroInsert: Kernel<"zeroInsert"> = (node, inputs, run) => {
  const { factor } = node.attrs;
  const x = numbers(node, inputs, 0);
  const [, , h, w] = asNchw(input(node, inputs, 0).shape, describe(node));
  const out = outputData(run);
  const width = w * factor[1];
  for (let at = 0; at < x.length; at += 1) {
    const row = Math.floor(at / w);
    const plane = Math.floor(row / h);
    const to = (plane * h * factor[0] + (row % h) * factor[0]) * width + (at % w) * factor[1];
    out[to] = x[at]!;
  }
  return outputTensor(run, out);
};
