/**
 * Index arithmetic of kernels that move elements: which input element stands at each output place.
 */
import { elementCount, type Shape } from "../../tensor/shape.ts";
import { type DType, type Tensor, tensor } from "../../tensor/tensor.ts";
import { emptyData, filledTensor, type Numeric } from "./kernel.ts";

/** Elements between neighbours along each axis, in C order: `[2, 3, 4] -> [12, 4, 1]`. */
export function strides(shape: Shape): readonly number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
}

/**
 * For every place of `shape` in C order, `start` plus the sum of index times step over the axes. A
 * step of 0 repeats (broadcasting); permuted strides transpose.
 */
export function stridedIndices(shape: Shape, steps: readonly number[], start = 0): Int32Array {
  const indices = new Int32Array(elementCount(shape)).fill(start);
  let repeat = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const dim = shape[axis]!;
    const step = steps[axis] ?? 0;
    if (step !== 0 && dim > 1) {
      for (let at = 0; at < indices.length; at += 1) {
        indices[at]! += (Math.floor(at / repeat) % dim) * step;
      }
    }
    repeat *= dim;
  }
  return indices;
}

/** Where each element of `to` is found in a tensor of shape `from` that broadcasts to it. */
export function broadcastIndices(from: Shape, to: Shape): Int32Array {
  const own = strides(from);
  const missing = to.length - from.length;
  const steps = to.map((_, axis) => (from[axis - missing] === 1 ? 0 : (own[axis - missing] ?? 0)));
  return stridedIndices(to, steps);
}

/** The elements at these places of `source`, `fill` where the place is negative. */
export function pick(
  source: Numeric,
  dtype: DType,
  shape: Shape,
  places: Int32Array,
  fill = 0,
): Tensor {
  const picked = emptyData(dtype, places.length);
  for (let at = 0; at < places.length; at += 1) {
    const place = places[at]!;
    picked[at] = place < 0 ? fill : source[place]!;
  }
  return filledTensor(dtype, shape, picked);
}

/** The same elements under another shape, in the stored element type. */
export function reshaped(value: Tensor, dtype: DType, shape: Shape): Tensor {
  if (value.dtype === dtype) return tensor<DType>(dtype, shape, value.data);
  const data = emptyData(dtype, value.data.length);
  data.set(value.data as Numeric);
  return filledTensor(dtype, shape, data);
}
