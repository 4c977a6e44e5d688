/**
 * Folding while reading: what exporters compute at run time though it is fixed, such as the target
 * shapes of reshapes, becomes constants. Integers and small floats exactly as ONNX Runtime would;
 * nothing that could round differently.
 */
import { normalizeAxis, type Shape } from "../../tensor/shape.ts";
import { float32, int64, type Tensor, tensor } from "../../tensor/tensor.ts";
import { elementType } from "./element-types.ts";
import { floatOf, floatsOf, intOf, intsOf, type OnnxNode } from "./onnx-node.ts";
import { transposed } from "./read-linear.ts";
import { readTensor } from "./read-tensor.ts";
import { integersAt, type Reading, spend } from "./reading.ts";

/** Shapes are short; more than this is computed by ONNX Runtime. */
const maxFolded = 4096;

/** A constant of integers or floats as numbers. */
type Numbers = {
  readonly dtype: "int64" | "int32" | "float32";
  readonly shape: Shape;
  readonly values: readonly number[];
};

type Fold = (node: OnnxNode, reading: Reading) => Tensor | undefined;

function numbersAt(reading: Reading, id: string | undefined): Numbers | undefined {
  const value = reading.constants.get(id ?? "");
  if (value?.dtype !== "int64" && value?.dtype !== "int32" && value?.dtype !== "float32") {
    return undefined;
  }
  if (value.data.length > maxFolded) return undefined;
  const values = Array.from(value.data as ArrayLike<number | bigint>, Number);
  if (value.dtype === "int64" && !values.every(Number.isSafeInteger)) return undefined;
  return { dtype: value.dtype, shape: value.shape, values };
}

function made({ dtype, shape, values }: Numbers): Tensor | undefined {
  if (dtype === "float32") return float32(shape, Float32Array.from(values));
  if (!values.every(Number.isSafeInteger)) return undefined;
  if (dtype === "int32") return tensor("int32", shape, Int32Array.from(values));
  return tensor("int64", shape, BigInt64Array.from(values, BigInt));
}

function foldConstant(node: OnnxNode, reading: Reading): Tensor | undefined {
  const message = node.attributes.get("value")?.t;
  if (message !== undefined) return readTensor(message, reading.source);
  if (node.attributes.has("value_float")) return float32([], [floatOf(node, "value_float", 0)]);
  const values = floatsOf(node, "value_floats");
  if (node.attributes.has("value_floats")) return float32([values?.length ?? 0], values ?? []);
  if (node.attributes.has("value_int")) return int64([], [intOf(node, "value_int", 0)]);
  const integers = intsOf(node, "value_ints");
  return node.attributes.has("value_ints")
    ? int64([integers?.length ?? 0], integers ?? [])
    : undefined;
}

/** The shape of a value whose type is known, of opset 15 on a part of it. */
function foldShape(node: OnnxNode, reading: Reading): Tensor | undefined {
  const shape = reading.types.get(node.inputs[0] ?? "")?.shape;
  if (shape === undefined) return undefined;
  const part = shape.slice(intOf(node, "start", 0), intOf(node, "end", shape.length));
  return int64([part.length], part);
}

/** Elements of a list. */
function foldGather(node: OnnxNode, reading: Reading): Tensor | undefined {
  const list = numbersAt(reading, node.inputs[0]);
  const places = numbersAt(reading, node.inputs[1]);
  if (list?.shape.length !== 1 || places === undefined) return undefined;
  const values = places.values.flatMap((at) => list.values.at(at) ?? []);
  if (values.length !== places.values.length) return undefined;
  return made({ dtype: list.dtype, shape: places.shape, values });
}

function foldConcat(node: OnnxNode, reading: Reading): Tensor | undefined {
  const lists = node.inputs.map((id) => numbersAt(reading, id));
  const dtype = lists[0]?.dtype;
  const total = lists.reduce((sum, list) => sum + (list?.values.length ?? 0), 0);
  if (dtype === undefined || total > maxFolded) return undefined;
  if (lists.some((list) => list?.shape.length !== 1)) return undefined;
  const values = lists.flatMap((list) => list?.values ?? []);
  return made({ dtype, shape: [values.length], values });
}

/** The slice of a list. */
function foldSlice(node: OnnxNode, reading: Reading): Tensor | undefined {
  const list = numbersAt(reading, node.inputs[0]);
  const old = reading.opset < 10;
  const [start] = (old ? intsOf(node, "starts") : integersAt(reading, node.inputs[1])) ?? [];
  const [end] = (old ? intsOf(node, "ends") : integersAt(reading, node.inputs[2])) ?? [];
  const stepped = (node.inputs[4] ?? "") !== "";
  if (list?.shape.length !== 1 || start === undefined || end === undefined || stepped) {
    return undefined;
  }
  const values = list.values.slice(start, end);
  return made({ dtype: list.dtype, shape: [values.length], values });
}

function reshapedTo(value: Tensor | undefined, shape: Shape | undefined): Tensor | undefined {
  if (value === undefined || shape === undefined) return undefined;
  const count = shape.reduce((product, dim) => product * dim, 1);
  return count === value.data.length ? tensor(value.dtype, shape, value.data as never) : undefined;
}

/** Axes to drop or insert; undefined where they are computed. */
function axesOf(node: OnnxNode, reading: Reading): readonly number[] | undefined {
  return reading.opset < 13 ? intsOf(node, "axes") : integersAt(reading, node.inputs[1]);
}

function foldUnsqueeze(node: OnnxNode, reading: Reading): Tensor | undefined {
  const value = reading.constants.get(node.inputs[0] ?? "");
  const axes = axesOf(node, reading);
  if (value === undefined || axes === undefined) return undefined;
  const rank = value.shape.length + axes.length;
  const added = new Set(axes.map((axis) => normalizeAxis(axis, rank)));
  const rest = [...value.shape];
  const shape = Array.from({ length: rank }, (_, axis) =>
    added.has(axis) ? 1 : (rest.shift() ?? 1),
  );
  return reshapedTo(value, shape);
}

function foldSqueeze(node: OnnxNode, reading: Reading): Tensor | undefined {
  const value = reading.constants.get(node.inputs[0] ?? "");
  if (value === undefined) return undefined;
  const dropped = axesOf(node, reading)?.map((axis) => normalizeAxis(axis, value.shape.length));
  const listed = node.attributes.has("axes") || (node.inputs[1] ?? "") !== "";
  if (listed && dropped === undefined) return undefined;
  const shape = value.shape.filter((dim, axis) => !(dropped?.includes(axis) ?? dim === 1));
  return reshapedTo(value, shape);
}

function foldReshape(node: OnnxNode, reading: Reading): Tensor | undefined {
  const value = reading.constants.get(node.inputs[0] ?? "");
  const target = integersAt(reading, node.inputs[1]);
  if (value === undefined || target === undefined || intOf(node, "allowzero", 0) === 1) {
    return undefined;
  }
  const copied = target.map((dim, axis) => (dim === 0 ? (value.shape[axis] ?? 0) : dim));
  const known = copied.reduce((product, dim) => (dim === -1 ? product : product * dim), 1);
  const rest = known === 0 ? 0 : value.data.length / known;
  return reshapedTo(
    value,
    copied.map((dim) => (dim === -1 ? rest : dim)),
  );
}

/** The transpose of a float matrix: weights that were exported the other way round. */
function foldTranspose(node: OnnxNode, reading: Reading): Tensor | undefined {
  const value = reading.constants.get(node.inputs[0] ?? "");
  const perm = intsOf(node, "perm")?.join() ?? "1,0";
  if (value?.dtype !== "float32" || value.shape.length !== 2 || perm !== "1,0") return undefined;
  if (!spend(reading, value.data.length)) return undefined;
  return transposed(value.data, value.shape[0] ?? 0, value.shape[1] ?? 0);
}

/** Between integers and floats; fractions are cut off. */
function foldCast(node: OnnxNode, reading: Reading): Tensor | undefined {
  const value = numbersAt(reading, node.inputs[0]);
  const dtype = elementType(intOf(node, "to", 0));
  const known = dtype === "int64" || dtype === "int32" || dtype === "float32";
  if (value === undefined || !known) return undefined;
  const values = dtype === "float32" ? value.values : value.values.map(Math.trunc);
  const narrow = dtype === "int32" && values.some((number) => number !== (number | 0));
  return narrow ? undefined : made({ dtype, shape: value.shape, values });
}

type Operator = (a: number, b: number) => number;

/** Arithmetic of lists of the same length, or of a list and one number. */
function foldArithmetic(operator: Operator): Fold {
  return (node, reading) => {
    const [a, b] = [numbersAt(reading, node.inputs[0]), numbersAt(reading, node.inputs[1])];
    if (a === undefined || b?.dtype !== a.dtype || node.inputs.length !== 2) return undefined;
    const longer = a.shape.length >= b.shape.length ? a : b;
    const count = Math.max(a.values.length, b.values.length);
    const fits = (side: Numbers): boolean =>
      side.values.length === 1 || side.shape.join() === longer.shape.join();
    if (!fits(a) || !fits(b) || count !== longer.values.length) return undefined;
    const pick = (side: Numbers, at: number): number =>
      side.values[side.values.length === 1 ? 0 : at] ?? 0;
    const values = Array.from({ length: count }, (_, at) => operator(pick(a, at), pick(b, at)));
    const exact = a.dtype === "float32" ? values : values.map(Math.trunc);
    return made({ dtype: a.dtype, shape: longer.shape, values: exact });
  };
}

function foldRounding(round: (value: number) => number): Fold {
  return (node, reading) => {
    const value = numbersAt(reading, node.inputs[0]);
    return value && made({ ...value, values: value.values.map(round) });
  };
}

function foldConstantOfShape(node: OnnxNode, reading: Reading): Tensor | undefined {
  const shape = integersAt(reading, node.inputs[0]);
  const message = node.attributes.get("value")?.t;
  const value = message === undefined ? float32([1], [0]) : readTensor(message, reading.source);
  const count = shape?.reduce((product, dim) => product * dim, 1) ?? 0;
  if (shape === undefined || value === undefined || count > maxFolded || count < 0) {
    return undefined;
  }
  const one = value.data[0] ?? 0;
  if (value.dtype !== "float32" && value.dtype !== "int64" && value.dtype !== "int32") {
    return undefined;
  }
  const values = Array.from({ length: count }, () => Number(one));
  return made({ dtype: value.dtype, shape, values });
}

const folds: Readonly<Record<string, Fold>> = {
  Constant: foldConstant,
  ConstantOfShape: foldConstantOfShape,
  Shape: foldShape,
  Size: (node, reading) => {
    const shape = reading.types.get(node.inputs[0] ?? "")?.shape;
    return shape && int64([], [shape.reduce((product, dim) => product * dim, 1)]);
  },
  Gather: foldGather,
  Concat: foldConcat,
  Slice: foldSlice,
  Unsqueeze: foldUnsqueeze,
  Squeeze: foldSqueeze,
  Reshape: foldReshape,
  Transpose: foldTranspose,
  Identity: (node, reading) => reading.constants.get(node.inputs[0] ?? ""),
  Cast: foldCast,
  Add: foldArithmetic((a, b) => a + b),
  Sub: foldArithmetic((a, b) => a - b),
  Mul: foldArithmetic((a, b) => a * b),
  Div: foldArithmetic((a, b) => a / b),
  Floor: foldRounding(Math.floor),
  Ceil: foldRounding(Math.ceil),
};

/** The node's value where it is fixed and simple; undefined where it is not. */
export function foldNode(node: OnnxNode, reading: Reading): Tensor | undefined {
  if (node.domain !== "" || node.outputs.length !== 1) return undefined;
  const fold = Object.hasOwn(folds, node.opType) ? folds[node.opType] : undefined;
  return fold?.(node, reading);
}
