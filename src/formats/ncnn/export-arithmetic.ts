/**
 * Sums, products, quotients and maxima, and the layers that scale and shift by broadcast constants, as ncnn
 * layers: Eltwise or Scale where they fit, else BinaryOp.
 */
import { describe } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis, type Shape, sameShape } from "../../tensor/shape.ts";
import {
  bare,
  blobOf,
  constantInput,
  dimsOf,
  type ExportContext,
  freshName,
  inexpressible,
  inputOf,
  inputShape,
  type Layers,
  layerFor,
  shapeOf,
  sizeParams,
  stepFor,
  weightOf,
} from "./export-context.ts";
import { float, floats, int, type NcnnLayer } from "./layer.ts";

/** ncnn's numbers of binary operations, and those with the operands the other way round. */
const operations = {
  add: { forward: 0, backward: 0 },
  sub: { forward: 1, backward: 7 },
  mul: { forward: 2, backward: 2 },
  div: { forward: 3, backward: 8 },
  maximum: { forward: 4, backward: 4 },
} as const;

type Operation = keyof typeof operations;
type Arithmetic = Node<Operation>;

/** A number, or a blob and the layers that make it. */
type Operand =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "blob"; readonly blob: string; readonly layers: Layers };

/** A layer that holds a constant. */
function memoryData(
  context: ExportContext,
  node: Node,
  name: string,
  shape: Shape,
  data: Float32Array,
): Operand {
  const blob = freshName(context, name);
  const params = [sizeParams(dimsOf(node, shape))];
  const parts = { bottoms: [], tops: [blob], params, weights: [bare(data)] };
  const layer = { ...layerFor(context, node, "MemoryData", parts), name: blob };
  return { kind: "blob", blob, layers: [layer] };
}

/** `shape` with ones in front, so that it begins at `axis`, and behind, up to `rank`. */
function alignedShape(shape: Shape, axis: number, rank: number): Shape {
  const behind = Math.max(rank - axis - shape.length, 0);
  return [...Array<number>(axis).fill(1), ...shape, ...Array<number>(behind).fill(1)];
}

type Place = { readonly axis: number; readonly rank: number; readonly coefficient?: number };

/** Input `index`, broadcast against a value of `rank` axes from `axis` on, times the coefficient. */
function operand(context: ExportContext, node: Node, index: number, place: Place): Operand {
  const { coefficient = 1 } = place;
  if (constantInput(context, node, index) !== undefined) {
    const { shape, data } = weightOf(context, node, index);
    const scaled = coefficient === 1 ? data : data.map((value) => value * coefficient);
    const [only] = scaled;
    if (scaled.length === 1 && only !== undefined) return { kind: "number", value: only };
    const aligned = alignedShape(shape, place.axis, place.rank);
    return memoryData(context, node, inputOf(node, index), aligned, scaled);
  }
  const given = computed(context, node, index, place);
  return coefficient === 1 ? given : scaledOperand(context, node, given, coefficient);
}

function computed(context: ExportContext, node: Node, index: number, place: Place): Operand {
  const blob = blobOf(context, inputOf(node, index));
  const shape = inputShape(context, node, index);
  const aligned = alignedShape(shape, place.axis, place.rank);
  if (sameShape(shape, aligned)) return { kind: "blob", blob, layers: [] };
  const params = sizeParams(dimsOf(node, aligned));
  const { top, ...reshape } = stepFor(context, node, "aligned", "Reshape", {
    bottoms: [blob],
    params,
  });
  return { kind: "blob", blob: top, layers: [reshape] };
}

function scaledOperand(
  context: ExportContext,
  node: Node,
  given: Operand,
  coefficient: number,
): Operand {
  if (given.kind === "number") return { kind: "number", value: given.value * coefficient };
  const params = withNumber(operations.mul.forward, coefficient);
  const parts = { bottoms: [given.blob], params: [params] };
  const { top, ...layer } = stepFor(context, node, "scaled", "BinaryOp", parts);
  return { kind: "blob", blob: top, layers: [...given.layers, layer] };
}

const withNumber = (operation: number, value: number): NcnnLayer["params"] => [
  ...[int(0, operation), int(1, 1)],
  float(2, value),
];

type Step = { readonly bottoms: readonly string[]; readonly params: NcnnLayer["params"] };

/** The BinaryOp of two operands. */
function binary(node: Node, op: Operation, a: Operand, b: Operand): Step {
  const { forward, backward } = operations[op];
  if (a.kind === "blob" && b.kind === "blob") {
    return { bottoms: [a.blob, b.blob], params: [int(0, forward)] };
  }
  if (a.kind === "blob" && b.kind === "number") {
    return { bottoms: [a.blob], params: withNumber(forward, b.value) };
  }
  if (a.kind === "number" && b.kind === "blob") {
    return { bottoms: [b.blob], params: withNumber(backward, a.value) };
  }
  throw inexpressible(node, "all inputs are constants");
}

const layersOf = (given: Operand): Layers => (given.kind === "blob" ? given.layers : []);

/** `a op b op c ...` from the left, the last step giving the node's blob. */
function chain(
  context: ExportContext,
  node: Node,
  op: Operation,
  operands: readonly Operand[],
): Layers {
  const [first, ...rest] = operands;
  if (first === undefined || rest.length === 0) throw inexpressible(node, "it has one input");
  const layers: NcnnLayer[] = [...layersOf(first)];
  let left = first;
  rest.forEach((right, at) => {
    const step = binary(node, op, left, right);
    layers.push(...layersOf(right));
    if (at === rest.length - 1) {
      layers.push(layerFor(context, node, "BinaryOp", { ...step, params: [step.params] }));
      return;
    }
    const parts = { ...step, params: [step.params] };
    const { top, ...layer } = stepFor(context, node, "part", "BinaryOp", parts);
    layers.push(layer);
    left = { kind: "blob", blob: top, layers: [] };
  });
  return layers;
}

/** Eltwise's numbers of the operations that it has. */
const eltwise: Partial<Record<Operation, number>> = { mul: 0, add: 1, maximum: 2 };

export function exportArithmetic(node: Arithmetic, context: ExportContext): Layers {
  const shape = shapeOf(context, node, node.id);
  const coefficients = node.op === "add" ? node.attrs.coefficients : undefined;
  const plain = node.inputs.every(
    (_, index) =>
      constantInput(context, node, index) === undefined &&
      sameShape(inputShape(context, node, index), shape),
  );
  const number = eltwise[node.op];
  if (plain && number !== undefined && node.inputs.length > 1) {
    const bottoms = node.inputs.map((id) => blobOf(context, id));
    const params = [
      int(0, number),
      ...(coefficients === undefined ? [] : [floats(1, coefficients)]),
    ];
    return [layerFor(context, node, "Eltwise", { bottoms, params })];
  }
  const operands = node.inputs.map((id, index) => {
    const rank = shape.length;
    const own = shapeOf(context, node, id).length;
    return operand(context, node, index, {
      ...{ rank, axis: rank - own },
      coefficient: coefficients?.[index] ?? 1,
    });
  });
  return chain(context, node, node.op, operands);
}

/** Where a Scale's or Bias's operand lies in the value. */
function placeOf(node: Node<"scale"> | Node<"bias">, context: ExportContext): Place {
  const rank = inputShape(context, node, 0).length;
  return { rank, axis: normalizeAxis(node.attrs.axis, rank, describe(node)) };
}

/** True where input `index` has a number per channel. */
function isPerChannel(
  node: Node<"scale"> | Node<"bias">,
  context: ExportContext,
  index: number,
): boolean {
  const constant = constantInput(context, node, index);
  if (constant === undefined || placeOf(node, context).axis !== 1) return false;
  return sameShape(constant.shape, [inputShape(context, node, 0)[1] ?? 0]);
}

export function exportScale(node: Node<"scale">, context: ExportContext): Layers {
  const hasBias = node.inputs.length > 2;
  if (isPerChannel(node, context, 1)) {
    const gamma = weightOf(context, node, 1).data;
    const weights = [gamma, ...(hasBias ? [weightOf(context, node, 2).data] : [])].map(bare);
    const params = [int(0, gamma.length), int(1, hasBias ? 1 : 0)];
    return [layerFor(context, node, "Scale", { params, weights })];
  }
  const place = placeOf(node, context);
  const value = computed(context, node, 0, { rank: place.rank, axis: 0 });
  const factor = operand(context, node, 1, place);
  if (!hasBias) return chain(context, node, "mul", [value, factor]);
  const product = binary(node, "mul", value, factor);
  const parts = { ...product, params: [product.params] };
  const { top, ...layer } = stepFor(context, node, "product", "BinaryOp", parts);
  const shifted: Operand = { kind: "blob", blob: top, layers: [...layersOf(factor), layer] };
  return chain(context, node, "add", [shifted, operand(context, node, 2, place)]);
}

/** ncnn's Bias adds a number per channel of an image; for other ranks it is another sum. */
export function exportBias(node: Node<"bias">, context: ExportContext): Layers {
  const place = placeOf(node, context);
  if (place.rank === 4 && isPerChannel(node, context, 1)) {
    const { data } = weightOf(context, node, 1);
    return [
      layerFor(context, node, "Bias", { params: [int(0, data.length)], weights: [bare(data)] }),
    ];
  }
  const value = computed(context, node, 0, { rank: place.rank, axis: 0 });
  return chain(context, node, "add", [value, operand(context, node, 1, place)]);
}

/** A constant that is read as a value: a layer of its own, which gives the constant's blob. */
export function exportConst(node: Node<"const">, context: ExportContext): Layers {
  const { tensor } = node.attrs;
  if (tensor.dtype !== "float32") throw inexpressible(node, "a constant that is no float32");
  const params = [sizeParams(dimsOf(node, tensor.shape))];
  const parts = { bottoms: [], params, weights: [bare(tensor.data)] };
  return [layerFor(context, node, "MemoryData", parts)];
}
