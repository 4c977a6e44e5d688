/**
 * Structural and elementwise operators on constant tensors. Not an interpreter: what is not cheap
 * stays in the graph.
 */
import { broadcastShapes } from "../ir/shape-arithmetic.ts";
import { elementCount, type Shape } from "../tensor/shape.ts";
import { type DType, type Tensor, tensor } from "../tensor/tensor.ts";

/** Elements are moved as 32-bit words where they are whole words, else as bytes; no value changes. */
type Units = { readonly data: Uint8Array | Uint32Array; readonly perElement: number };

function unitsOf(value: Tensor): Units {
  const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT: size } = value.data;
  return size % 4 === 0
    ? { data: new Uint32Array(buffer, byteOffset, byteLength / 4), perElement: size / 4 }
    : { data: new Uint8Array(buffer, byteOffset, byteLength), perElement: size };
}

const views: { readonly [D in DType]: (buffer: ArrayBuffer) => Tensor<D>["data"] } = {
  float32: (buffer) => new Float32Array(buffer),
  float64: (buffer) => new Float64Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  int16: (buffer) => new Int16Array(buffer),
  uint16: (buffer) => new Uint16Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  uint32: (buffer) => new Uint32Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  uint64: (buffer) => new BigUint64Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};

/** A zeroed tensor of the same element type. */
function emptyLike(value: Tensor, shape: Shape): Tensor {
  const buffer = new ArrayBuffer(elementCount(shape) * value.data.BYTES_PER_ELEMENT);
  return tensor(value.dtype, shape, views[value.dtype](buffer));
}

const product = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** `out[..., i_perm[k], ...] = in[..., i_k, ...]`, as numpy's transpose. */
export function transposeTensor(value: Tensor, perm: Shape): Tensor {
  const shape = perm.map((axis) => value.shape[axis] ?? 1);
  const result = emptyLike(value, shape);
  const [from, to] = [unitsOf(value), unitsOf(result)];
  const strides = perm.map((axis) => product(value.shape.slice(axis + 1)) * from.perElement);
  const next = walk(shape, strides);
  for (let target = 0; target < to.data.length; target += from.perElement) {
    const source = next();
    for (let unit = 0; unit < from.perElement; unit += 1) {
      to.data[target + unit] = from.data[source + unit] ?? 0;
    }
  }
  return result;
}

/** Gives the offsets of a strided array's elements, one per call, in C order of `shape`. */
function walk(shape: Shape, strides: readonly number[]): () => number {
  const index = shape.map(() => 0);
  let offset = 0;
  return () => {
    const current = offset;
    for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
      const [at, dim, stride] = [(index[axis] ?? 0) + 1, shape[axis] ?? 1, strides[axis] ?? 0];
      index[axis] = at < dim ? at : 0;
      offset += at < dim ? stride : -stride * (dim - 1);
      if (at < dim) break;
    }
    return current;
  };
}

/** The values joined along an axis; `shape` is the result's. All have the same element type. */
export function concatTensors(values: readonly Tensor[], axis: number, shape: Shape): Tensor {
  const [first] = values;
  if (first === undefined) throw new RangeError("nothing to join");
  const result = emptyLike(first, shape);
  const to = unitsOf(result);
  const outer = product(shape.slice(0, axis));
  const parts = values.map((value) => {
    const { data } = unitsOf(value);
    return { data, block: data.length / Math.max(outer, 1) };
  });
  let target = 0;
  for (let row = 0; row < outer; row += 1) {
    for (const { data, block } of parts) {
      to.data.set(data.subarray(row * block, (row + 1) * block), target);
      target += block;
    }
  }
  return result;
}

/** Elements `start <= i < end` of an axis. */
export function sliceTensor(value: Tensor, axis: number, start: number, end: number): Tensor {
  const result = emptyLike(value, value.shape.with(axis, end - start));
  const [from, to] = [unitsOf(value), unitsOf(result)];
  const inner = product(value.shape.slice(axis + 1)) * from.perElement;
  const block = (end - start) * inner;
  const outer = product(value.shape.slice(0, axis));
  for (let row = 0; row < outer; row += 1) {
    const source = (row * (value.shape[axis] ?? 0) + start) * inner;
    to.data.set(from.data.subarray(source, source + block), row * block);
  }
  return result;
}

/** `compute(a, b)` with numpy's broadcasting, each result rounded to float32. */
export function broadcastFloats(
  a: Tensor<"float32">,
  b: Tensor<"float32">,
  compute: (a: number, b: number) => number,
): Tensor<"float32"> {
  const shape = broadcastShapes(a.shape, b.shape);
  const [left, right] = [a, b].map((value) => indexInto(value.shape, shape));
  const result = new Float32Array(elementCount(shape));
  for (let i = 0; i < result.length; i += 1) {
    result[i] = compute(a.data[left?.(i) ?? 0] ?? 0, b.data[right?.(i) ?? 0] ?? 0);
  }
  return tensor("float32", shape, result);
}

/** Where the element of a broadcast result comes from. */
function indexInto(from: Shape, to: Shape): (index: number) => number {
  if (product(from) === product(to)) return (index) => index;
  if (product(from) === 1) return () => 0;
  const lead = to.length - from.length;
  const steps = to.map((dim, axis) => {
    const own = axis < lead ? 1 : (from[axis - lead] ?? 1);
    return {
      dim,
      outer: product(to.slice(axis + 1)),
      stride: own === 1 ? 0 : product(from.slice(axis - lead + 1)),
    };
  });
  return (index) =>
    steps.reduce(
      (at, { dim, outer, stride }) => at + (Math.floor(index / outer) % dim) * stride,
      0,
    );
}
