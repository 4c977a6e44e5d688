/**
 * Kernels that move elements and compute nothing; they take any element type.
 */
import { inputError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { asNchw, normalizeAxis, type Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { pick, reshaped, stridedIndices, strides } from "./indices.ts";
import {
  emptyData,
  filledTensor,
  input,
  type Kernel,
  type Numeric,
  type Run,
  storedType,
} from "./kernel.ts";

/** The first input under the output's shape. */
function relabelled(node: Node, inputs: readonly Tensor[], run: Run): Tensor {
  return reshaped(input(node, inputs, 0), storedType(run.dtype, run.precision), run.shape);
}

export const flatten: Kernel<"flatten"> = relabelled;
export const reshape: Kernel<"reshape"> = relabelled;
/** At test time Dropout changes nothing (Caffe scales while training). */
export const dropout: Kernel<"dropout"> = relabelled;
export const identity: Kernel<"identity"> = relabelled;

/** Elements of one step along `axis`, everything behind it included. */
function innerSize(shape: Shape, axis: number): number {
  return shape.slice(axis + 1).reduce((a, b) => a * b, 1);
}

export const concat: Kernel<"concat"> = (node, inputs, run) => {
  const axis = normalizeAxis(node.attrs.axis, run.shape.length, describe(node));
  const dtype = storedType(run.dtype, run.precision);
  const joined = emptyData(
    dtype,
    run.shape.reduce((a, b) => a * b, 1),
  );
  const inner = innerSize(run.shape, axis);
  const stride = (run.shape[axis] ?? 0) * inner;
  let first = 0;
  for (const part of inputs) {
    if (storedType(part.dtype, run.precision) !== dtype) {
      throw inputError("inputs differ in element type", {
        node: describe(node),
        expected: dtype,
        got: part.dtype,
      });
    }
    const length = (part.shape[axis] ?? 0) * inner;
    const source = part.data as Numeric;
    for (let from = 0, to = first; from < source.length; from += length, to += stride) {
      joined.set(source.subarray(from, from + length), to);
    }
    first += length;
  }
  return filledTensor(dtype, run.shape, joined);
};

export const slice: Kernel<"slice"> = (node, inputs, run) => {
  const x = input(node, inputs, 0);
  const axis = normalizeAxis(node.attrs.axis, x.shape.length, describe(node));
  const start = node.attrs.start * innerSize(x.shape, axis);
  const places = stridedIndices(run.shape, strides(x.shape), start);
  return pick(x.data as Numeric, storedType(x.dtype, run.precision), run.shape, places);
};

export const transpose: Kernel<"transpose"> = (node, inputs, run) => {
  const x = input(node, inputs, 0);
  const steps = strides(x.shape);
  const places = stridedIndices(
    run.shape,
    node.attrs.perm.map((axis) => steps[axis] ?? 0),
  );
  return pick(x.data as Numeric, storedType(x.dtype, run.precision), run.shape, places);
};

export const pad: Kernel<"pad"> = (node, inputs, run) => {
  const x = input(node, inputs, 0);
  const [, , h, w] = asNchw(x.shape, describe(node));
  const [, , outH, outW] = asNchw(run.shape);
  const [top, left] = node.attrs.pads;
  const places = new Int32Array(run.shape.reduce((a, b) => a * b, 1));
  for (let at = 0; at < places.length; at += 1) {
    const column = (at % outW) - left;
    const row = (Math.floor(at / outW) % outH) - top;
    const plane = Math.floor(at / (outW * outH));
    const inside = row >= 0 && row < h && column >= 0 && column < w;
    places[at] = inside ? (plane * h + row) * w + column : -1;
  }
  const dtype = storedType(x.dtype, run.precision);
  return pick(x.data as Numeric, dtype, run.shape, places, node.attrs.value);
};

export const imageToTensor: Kernel<"imageToTensor"> = (node, inputs, run) => {
  const x = input(node, inputs, 0);
  if (x.dtype !== "uint8" || x.shape.length !== 4) {
    throw inputError("needs picture bytes", {
      node: describe(node),
      expected: "uint8 [n, h, w, c]",
      got: `${x.dtype} [${x.shape.join(", ")}]`,
    });
  }
  const [image = 0, row = 0, column = 0, channel = 0] = strides(x.shape);
  const places = stridedIndices(run.shape, [image, channel, row, column]);
  return pick(x.data, run.precision, run.shape, places);
};
