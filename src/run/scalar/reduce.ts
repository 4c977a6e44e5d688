/**
 * Caffe's ArgMax.
 */
import { inputError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import { doubles, input, type Kernel, reals, realTensor } from "./kernel.ts";

/**
 * The `topK` largest values, largest first; of equal values the one with the larger index comes
 * first, as Caffe sorts (value, index) pairs downwards.
 *
 * Without axis: `[n, 1, topK]` indices, or `[n, 2, topK]` indices and values. With axis: indices, or
 * the values alone.
 */
export const argMax: Kernel<"argMax"> = (node, inputs, run) => {
  const { topK, outMaxVal } = node.attrs;
  const x = reals(node, inputs, 0);
  const { shape } = input(node, inputs, 0);
  const axis = node.attrs.axis && normalizeAxis(node.attrs.axis, shape.length, describe(node));
  const dim = axis === undefined ? x.length / (shape[0] ?? 1) : (shape[axis] ?? 1);
  const inner = axis === undefined ? 1 : shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  if (!(topK >= 1 && topK <= dim)) {
    throw inputError("topK is out of range", {
      node: describe(node),
      expected: `1..${dim}`,
      got: `${topK}`,
    });
  }
  const values = doubles(run.shape);
  const both = axis === undefined && outMaxVal;
  for (let line = 0; line < x.length / dim; line += 1) {
    const outer = Math.floor(line / inner);
    const places = largestOf(x, outer * dim * inner + (line % inner), inner, dim).slice(0, topK);
    places.forEach(({ index, value }, rank) => {
      if (both) {
        values[line * 2 * topK + rank] = index;
        values[(line * 2 + 1) * topK + rank] = value;
      } else {
        values[(outer * topK + rank) * inner + (line % inner)] = outMaxVal ? value : index;
      }
    });
  }
  return realTensor(run, values);
};

type Place = { readonly index: number; readonly value: number };

/** All elements of a line, largest first. */
function largestOf(x: ArrayLike<number>, first: number, step: number, count: number): Place[] {
  return Array.from({ length: count }, (_, index) => ({
    index,
    value: x[first + index * step]!,
  })).sort((a, b) => b.value - a.value || b.index - a.index);
}
