/**
 * The type (element type and shape) of every operator's output, from the types of its inputs. A rule
 * throws where inputs contradict the operator, and gives undefined where the shape cannot be known.
 */
import { inputError } from "../error.ts";
import {
  asNchw,
  formatShape,
  normalizeAxis,
  type Pair,
  type Shape,
  sameShape,
} from "../tensor/shape.ts";
import type { DType, TensorType } from "../tensor/tensor.ts";
import { convOutput, deconvOutput, poolGeometry } from "./geometry.ts";
import { describe } from "./graph.ts";
import type { ConvAttrs, Node, Op, OpTable, PoolAttrs, Requantize, ShiftOutput } from "./ops.ts";
import { broadcastShapes, reshapeTo } from "./shape-arithmetic.ts";

/** Types of the inputs, by position; undefined where unknown. */
export type InputTypes = readonly (TensorType | undefined)[];
type Inferred = TensorType | undefined;
type Windowed = Node & { readonly attrs: ConvAttrs };

const typed = (shape: Shape, dtype: DType = "float32"): TensorType => ({ dtype, shape });

/** The shape of input `index`, or undefined. */
function shapeOf(inputs: InputTypes, index: number): Shape | undefined {
  return inputs[index]?.shape;
}

/** The first input's type, unchanged. */
const same = (_node: Node, inputs: InputTypes): Inferred => inputs[0];
const float = (_node: Node, inputs: InputTypes): Inferred => inputs[0] && typed(inputs[0].shape);

function broadcast(node: Node, inputs: InputTypes): Inferred {
  const shapes = inputs.map((input) => input?.shape);
  if (shapes.some((shape) => shape === undefined)) return undefined;
  const known = shapes.filter((shape) => shape !== undefined);
  return typed(known.reduce((a, b) => broadcastShapes(a, b, describe(node))));
}

function spatial(
  node: Node,
  inputs: InputTypes,
  size: (image: Pair) => Pair,
  dtype?: DType,
): Inferred {
  const shape = shapeOf(inputs, 0);
  if (shape === undefined) return undefined;
  const [n, c, h, w] = asNchw(shape, describe(node));
  return typed([n, c, ...size([h, w])], dtype ?? inputs[0]?.dtype);
}

function pooled(node: Node & { readonly attrs: PoolAttrs }, inputs: InputTypes): Inferred {
  return spatial(node, inputs, (image) => poolGeometry(image, node.attrs, describe(node)).output);
}

function convolved(node: Windowed, inputs: InputTypes, dtype: DType = "float32"): Inferred {
  const [shape, weight] = [shapeOf(inputs, 0), shapeOf(inputs, 1)];
  if (shape === undefined || weight === undefined) return undefined;
  const [n, c, h, w] = asNchw(shape, describe(node));
  const [out, inPerGroup, kh, kw] = asNchw(weight, describe(node));
  const { groups } = node.attrs;
  checkBias(node, inputs, out);
  if (c !== inPerGroup * groups || out % groups !== 0) {
    throw inputError("channels do not fit the weights", {
      node: describe(node),
      expected: `${inPerGroup} x ${groups} groups = ${inPerGroup * groups} input channels`,
      got: `${c}`,
    });
  }
  return typed([n, out, ...convOutput([h, w], [kh, kw], node.attrs, describe(node))], dtype);
}

/** A bias, where there is one, has an element per output channel. */
function checkBias(node: Node, inputs: InputTypes, channels: number): void {
  const bias = shapeOf(inputs, 2);
  if (bias === undefined || (bias.length === 1 && bias[0] === channels)) return;
  throw inputError("the bias does not fit the weights", {
    node: describe(node),
    expected: `[${channels}]`,
    got: `[${bias.join(", ")}]`,
  });
}

function deconvolved(node: Node<"deconv">, inputs: InputTypes): Inferred {
  const [shape, weight] = [shapeOf(inputs, 0), shapeOf(inputs, 1)];
  if (shape === undefined || weight === undefined) return undefined;
  const [n, c, h, w] = asNchw(shape, describe(node));
  const [inChannels, outPerGroup, kh, kw] = asNchw(weight, describe(node));
  if (c !== inChannels) {
    throw inputError("channels do not fit the weights", {
      node: describe(node),
      expected: `${inChannels} input channels`,
      got: `${c}`,
    });
  }
  checkBias(node, inputs, outPerGroup * node.attrs.groups);
  return typed([n, outPerGroup * node.attrs.groups, ...deconvOutput([h, w], [kh, kw], node.attrs)]);
}

function multiplied(node: Node, inputs: InputTypes, dtype: DType = "float32"): Inferred {
  const [shape, weight] = [shapeOf(inputs, 0), shapeOf(inputs, 1)];
  if (shape === undefined || weight === undefined) return undefined;
  const [rows, columns] = [shape[0] ?? 1, shape.slice(1).reduce((a, b) => a * b, 1)];
  if (shape.length !== 2 || weight.length !== 2 || columns !== weight[1]) {
    throw inputError("the input does not fit the weights", {
      node: describe(node),
      expected: `[n, ${weight[1]}]`,
      got: formatShape(shape),
    });
  }
  checkBias(node, inputs, weight[0] ?? 1);
  return typed([rows, weight[0] ?? 1], dtype);
}

function concatenated(node: Node<"concat">, inputs: InputTypes): Inferred {
  const first = inputs[0];
  if (first === undefined || inputs.some((input) => input === undefined)) return undefined;
  const axis = normalizeAxis(node.attrs.axis, first.shape.length, describe(node));
  const total = inputs.reduce((sum, input) => {
    const fits =
      input?.shape.length === first.shape.length &&
      input.shape.every((dim, at) => at === axis || dim === first.shape[at]);
    if (!fits || input === undefined) {
      throw inputError("inputs do not fit each other", {
        node: describe(node),
        expected: `${formatShape(first.shape)} but for axis ${axis}`,
        got: formatShape(input?.shape ?? []),
      });
    }
    return sum + (input.shape[axis] ?? 0);
  }, 0);
  return typed(first.shape.with(axis, total), first.dtype);
}

function sliced(node: Node<"slice">, inputs: InputTypes): Inferred {
  const input = inputs[0];
  if (input === undefined) return undefined;
  const axis = normalizeAxis(node.attrs.axis, input.shape.length, describe(node));
  const { start, end } = node.attrs;
  const dim = input.shape[axis] ?? 0;
  if (start < 0 || end > dim || start > end) {
    throw inputError("slice is out of range", {
      node: describe(node),
      expected: `within 0..${dim}`,
      got: `${start}..${end}`,
    });
  }
  return typed(input.shape.with(axis, end - start), input.dtype);
}

function flattened(node: Node<"flatten">, inputs: InputTypes): Inferred {
  const input = inputs[0];
  if (input === undefined) return undefined;
  const rank = input.shape.length;
  const { axis } = node.attrs;
  // One past the last axis is allowed; negative axes count from the rank, as in Caffe and ONNX.
  const first = axis === rank ? rank : normalizeAxis(axis, rank, describe(node));
  const last = normalizeAxis(node.attrs.endAxis, rank, describe(node));
  const merged = input.shape.slice(first, last + 1).reduce((a, b) => a * b, 1);
  return typed(
    [...input.shape.slice(0, first), merged, ...input.shape.slice(last + 1)],
    input.dtype,
  );
}

function transposed(node: Node<"transpose">, inputs: InputTypes): Inferred {
  const input = inputs[0];
  if (input === undefined) return undefined;
  const { perm } = node.attrs;
  const isPermutation = perm.toSorted((a, b) => a - b).every((axis, at) => axis === at);
  if (perm.length !== input.shape.length || !isPermutation) {
    throw inputError("perm must name every axis once", {
      node: describe(node),
      expected: `a permutation of ${input.shape.length} axes`,
      got: `[${perm.join(", ")}]`,
    });
  }
  return typed(
    perm.map((axis) => input.shape[axis] ?? 0),
    input.dtype,
  );
}

function resized(node: Node<"resize">, inputs: InputTypes): Inferred {
  const { size, factor } = node.attrs;
  return spatial(
    node,
    inputs,
    ([h, w]) => size ?? [Math.floor(h * (factor?.[0] ?? 1)), Math.floor(w * (factor?.[1] ?? 1))],
  );
}

function argMaxed(node: Node<"argMax">, inputs: InputTypes): Inferred {
  const shape = shapeOf(inputs, 0);
  if (shape === undefined) return undefined;
  const { axis, topK, outMaxVal } = node.attrs;
  if (axis === undefined) return typed([shape[0] ?? 1, outMaxVal ? 2 : 1, topK]);
  return typed(shape.with(normalizeAxis(axis, shape.length, describe(node)), topK));
}

function boxes(node: Node<"priorBox">, inputs: InputTypes): Inferred {
  const shape = shapeOf(inputs, 0);
  if (shape === undefined) return undefined;
  const [, , h, w] = asNchw(shape, describe(node));
  return typed([1, 2, h * w * priorsPerPixel(node.attrs) * 4]);
}

/** Default boxes at each position: one per minSize and ratio, and one per maxSize. */
export function priorsPerPixel(attrs: Node<"priorBox">["attrs"]): number {
  const ratios = attrs.aspectRatios.filter((ratio) => Math.abs(ratio - 1) > 1e-6).length;
  return attrs.minSizes.length * (1 + ratios * (attrs.flip ? 2 : 1)) + attrs.maxSizes.length;
}

function imageTensor(_node: Node, inputs: InputTypes): Inferred {
  const [n = 1, h = 1, w = 1, c = 1] = shapeOf(inputs, 0) ?? [];
  return typed([n, c, h, w]);
}

const integerType = ({ qMin, signed = qMin < 0 }: Requantize): DType => (signed ? "int8" : "uint8");

const intOutputType = (node: Node<"intConv"> | Node<"intLinear">): DType =>
  node.attrs.output.kind === "real" ? "float32" : integerType(node.attrs.output);

/** Levels in the narrowest type that holds them. */
const levelType = (output: ShiftOutput): DType => {
  if (output.kind === "accumulator") return "int32";
  if (output.qMin < 0) return "int16";
  return output.qMax <= 255 ? "uint8" : "uint16";
};

function shiftConvolved(node: Node<"shiftConv">, inputs: InputTypes): Inferred {
  const output = convolved(node, inputs, levelType(node.attrs.output));
  const identity = shapeOf(inputs, 3);
  if (output === undefined || identity === undefined || sameShape(output.shape, identity))
    return output;
  throw inputError("what is added must have the shape of the output", {
    node: describe(node),
    expected: formatShape(output.shape),
    got: formatShape(identity),
  });
}

/** One row per operator. */
export const shapeRules: OpTable<[inputs: InputTypes], Inferred> = {
  input: (node) => node.attrs,
  const: (node) => node.attrs.tensor,
  conv: (node, inputs) => convolved(node, inputs),
  deconv: deconvolved,
  linear: (node, inputs) => multiplied(node, inputs),
  maxPool: pooled,
  avgPool: pooled,
  stochasticPool: pooled,
  globalAvgPool: (node, inputs) => spatial(node, inputs, () => [1, 1]),
  globalMaxPool: (node, inputs) => spatial(node, inputs, () => [1, 1]),
  relu: same,
  clip: same,
  prelu: same,
  elu: same,
  sigmoid: same,
  tanh: same,
  abs: same,
  power: same,
  exp: same,
  log: same,
  softmax: same,
  batchNorm: same,
  scale: same,
  bias: same,
  lrn: same,
  normalize: same,
  add: broadcast,
  sub: broadcast,
  mul: broadcast,
  div: broadcast,
  maximum: broadcast,
  concat: concatenated,
  slice: sliced,
  flatten: flattened,
  reshape: (node, [input]) =>
    input && typed(reshapeTo(input.shape, node.attrs.shape, describe(node)), input.dtype),
  transpose: transposed,
  pad: (node, inputs) =>
    spatial(node, inputs, ([h, w]) => {
      const [top, left, bottom, right] = node.attrs.pads;
      return [h + top + bottom, w + left + right];
    }),
  resize: resized,
  argMax: argMaxed,
  dropout: same,
  identity: same,
  imageToTensor: imageTensor,
  priorBox: boxes,
  detectionOutput: () => undefined,
  quantConv: (node, inputs) => convolved(node, inputs),
  quantRelu: same,
  quantize: (_node, [input, , zero]) => input && typed(input.shape, zero?.dtype ?? "uint8"),
  dequantize: float,
  intConv: (node, inputs) => convolved(node, inputs, intOutputType(node)),
  intLinear: (node, inputs) => multiplied(node, inputs, intOutputType(node)),
  intAvgPool: (node, inputs) =>
    spatial(
      node,
      inputs,
      (image) =>
        node.attrs.window === "global"
          ? [1, 1]
          : poolGeometry(image, node.attrs.window, describe(node)).output,
      integerType(node.attrs.output),
    ),
  intAdd: (node, [a]) => a && typed(a.shape, integerType(node.attrs.output)),
  requantize: (node, [input]) => input && typed(input.shape, integerType(node.attrs.output)),
  reduceBits: same,
  toLevels: ({ attrs: { qMax } }, [input]) =>
    input && typed(input.shape, levelType({ kind: "levels", qMin: 0, qMax })),
  shiftConv: shiftConvolved,
  zeroInsert: (node, inputs) =>
    spatial(node, inputs, ([h, w]) => [h * node.attrs.factor[0], w * node.attrs.factor[1]]),
  opaque: (node) => node.attrs.outputs[0],
  result: () => undefined,
};

/** Operators whose attributes slide a window over weights (shared by float and quantized forms). */
export const weightedOps: ReadonlySet<Op> = new Set<Op>([
  "conv",
  "deconv",
  "linear",
  "quantConv",
  "intConv",
  "intLinear",
  "shiftConv",
]);
