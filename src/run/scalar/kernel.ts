/**
 * What the scalar kernels share: their signature, and access to typed arrays by kind. Checks live
 * here so that every kernel names the node in its errors.
 */
import { inputError } from "../../error.ts";
import { describe } from "../../ir/graph.ts";
import type { Node, Op } from "../../ir/ops.ts";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.ts";
import { type DType, type Tensor, tensor } from "../../tensor/tensor.ts";

/** How float results are stored. Sums are taken in double either way. */
export type Precision = "float32" | "float64";

/** What a kernel is told besides its node and inputs. */
export type Run = {
  /** The output's type by the shape rule; `[]` and float32 where only the kernel can know. */
  readonly shape: Shape;
  readonly dtype: DType;
  readonly precision: Precision;
  readonly feeds: ReadonlyMap<string, Tensor>;
};

export type Kernel<K extends Op> = (node: Node<K>, inputs: readonly Tensor[], run: Run) => Tensor;

export type Real = Float32Array | Float64Array;
/** Every array whose elements are JavaScript numbers. */
export type Numeric = Exclude<Tensor["data"], BigInt64Array | BigUint64Array>;

/** Input `index`. Throws where the node has fewer. */
export function input(node: Node, inputs: readonly Tensor[], index: number): Tensor {
  const value = inputs[index];
  if (value === undefined) {
    throw inputError(`input ${index} is missing`, { node: describe(node) });
  }
  return value;
}

/** The float values of input `index`; `count` elements where it is given. */
export function reals(node: Node, inputs: readonly Tensor[], index: number, count?: number): Real {
  const value = input(node, inputs, index);
  if (value.dtype !== "float32" && value.dtype !== "float64") {
    throw wrongType(node, index, "float32", value.dtype);
  }
  checkCount(node, index, value, count);
  return value.data;
}

/** The integers (8, 16 or 32 bits) of input `index`; `count` elements where it is given. */
export function integers(
  node: Node,
  inputs: readonly Tensor[],
  index: number,
  count?: number,
): Numeric {
  const value = input(node, inputs, index);
  switch (value.dtype) {
    case "int8":
    case "uint8":
    case "int16":
    case "uint16":
    case "int32":
      checkCount(node, index, value, count);
      return value.data;
    default:
      throw wrongType(node, index, "integers of 8, 16 or 32 bits", value.dtype);
  }
}

/** The values of input `index`, floats or integers of up to 32 bits. */
export function numbers(node: Node, inputs: readonly Tensor[], index: number): Numeric {
  const { dtype } = input(node, inputs, index);
  const isReal = dtype === "float32" || dtype === "float64";
  return isReal ? reals(node, inputs, index) : integers(node, inputs, index);
}

function wrongType(node: Node, index: number, expected: string, got: string): Error {
  return inputError(`input ${index} has the wrong element type`, {
    node: describe(node),
    expected,
    got,
  });
}

function checkCount(node: Node, index: number, value: Tensor, count: number | undefined): void {
  if (count === undefined || value.data.length === count) return;
  throw inputError(`input ${index} has the wrong number of elements`, {
    node: describe(node),
    expected: `${count}`,
    got: `${formatShape(value.shape)} = ${value.data.length}`,
  });
}

/** A float tensor from doubles, rounded once to the run's precision. */
export function realTensor(run: Run, values: Float64Array, shape: Shape = run.shape): Tensor {
  return run.precision === "float64"
    ? tensor("float64", shape, values)
    : tensor("float32", shape, new Float32Array(values));
}

/** Room for as many doubles as the shape has elements. */
export function doubles(shape: Shape): Float64Array {
  return new Float64Array(elementCount(shape));
}

/** The element type in which a value of this type is stored: float32 gives way to the precision. */
export function storedType(dtype: DType, precision: Precision): DType {
  return dtype === "float32" || dtype === "float64" ? precision : dtype;
}

const makers: { readonly [D in DType]: (count: number) => Tensor<D>["data"] } = {
  float32: (count) => new Float32Array(count),
  float64: (count) => new Float64Array(count),
  float16: (count) => new Uint16Array(count),
  int8: (count) => new Int8Array(count),
  uint8: (count) => new Uint8Array(count),
  int16: (count) => new Int16Array(count),
  uint16: (count) => new Uint16Array(count),
  int32: (count) => new Int32Array(count),
  uint32: (count) => new Uint32Array(count),
  int64: (count) => new BigInt64Array(count),
  uint64: (count) => new BigUint64Array(count),
  bool: (count) => new Uint8Array(count),
};

/**
 * An empty array of the element type, for kernels that move elements without looking at them: 64-bit
 * integers pass through such a kernel as the bigints that they are.
 */
export function emptyData(dtype: DType, count: number): Numeric {
  return makers[dtype](count) as Numeric;
}

/** A tensor over data that `emptyData` gave. */
export function filledTensor(dtype: DType, shape: Shape, data: Numeric): Tensor {
  return tensor<DType>(dtype, shape, data);
}
