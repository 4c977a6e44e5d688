/**
 * ncnn's activations, normalization and arithmetic as nodes.
 */
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import {
  add,
  addConst,
  addWeights,
  arrayOf,
  assertBlobs,
  bottomOf,
  dimsOfValue,
  floatOf,
  type ImportContext,
  type Importers,
  imageDims,
  intOf,
  layerError,
  sizes,
  topOf,
} from "./import-context.ts";
import type { ReadLayer } from "./layer.ts";

type Parts = Pick<Node, "id" | "inputs">;

/** A node of one blob. */
const unary =
  (node: (layer: ReadLayer, parts: Parts) => Node) =>
  (layer: ReadLayer, context: ImportContext): void => {
    assertBlobs(layer, 1);
    add(layer, context, node(layer, { id: topOf(layer), inputs: [bottomOf(layer, context)] }));
  };

/** An axis without the batch as one with it. */
export function axisWithBatch(layer: ReadLayer, context: ImportContext, axis: number): number {
  const rank = dimsOfValue(layer, context, bottomOf(layer, context)).length;
  return normalizeAxis(axis, rank, `${layer.type} "${layer.name}"`) + 1;
}

function softmax(layer: ReadLayer, context: ImportContext): void {
  const axis = intOf(layer, 0, 0);
  if (axis !== 0 && intOf(layer, 1, 0) === 0) {
    throw layerError(layer, "an axis that older versions of ncnn mean in another way", `${axis}`);
  }
  const attrs = { axis: axisWithBatch(layer, context, axis) };
  unary((_, parts) => ({ op: "softmax", ...parts, attrs }))(layer, context);
}

function prelu(layer: ReadLayer, context: ImportContext): void {
  const slope = addWeights(layer, context, "slope", [intOf(layer, 0, 0, sizes)]);
  const inputs = [bottomOf(layer, context), slope];
  add(layer, context, { op: "prelu", id: topOf(layer), inputs, attrs: {} });
}

function batchNorm(layer: ReadLayer, context: ImportContext): void {
  const channels = intOf(layer, 0, 0, sizes);
  const read = (suffix: string): string => addWeights(layer, context, suffix, [channels]);
  const [slope, mean, variance, bias] = ["slope", "mean", "variance", "bias"].map(read);
  const inputs = [bottomOf(layer, context), mean, variance, slope, bias].filter(
    (id) => id !== undefined,
  );
  const attrs = { epsilon: floatOf(layer, 1, 0) };
  add(layer, context, { op: "batchNorm", id: topOf(layer), inputs, attrs });
}

function scale(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  const size = intOf(layer, 0, 0, sizes);
  const gamma = addWeights(layer, context, "scale", [size]);
  const beta = intOf(layer, 1, 0) === 0 ? [] : [addWeights(layer, context, "bias", [size])];
  const inputs = [bottomOf(layer, context), gamma, ...beta];
  add(layer, context, { op: "scale", id: topOf(layer), inputs, attrs: { axis: 1 } });
}

function bias(layer: ReadLayer, context: ImportContext): void {
  imageDims(layer, context);
  const beta = addWeights(layer, context, "bias", [intOf(layer, 0, 0, sizes)]);
  const inputs = [bottomOf(layer, context), beta];
  add(layer, context, { op: "bias", id: topOf(layer), inputs, attrs: { axis: 1 } });
}

function normalize(layer: ReadLayer, context: ImportContext): void {
  imageDims(layer, context);
  if (intOf(layer, 4, 1) !== 1 || intOf(layer, 9, 0) !== 0) {
    throw layerError(layer, "a norm per channel, or another place of epsilon");
  }
  const weights = addWeights(layer, context, "scale", [intOf(layer, 3, 0, sizes)]);
  const inputs = [bottomOf(layer, context), weights];
  const attrs = { acrossSpatial: intOf(layer, 0, 0) !== 0, epsilon: floatOf(layer, 2, 1e-4) };
  add(layer, context, { op: "normalize", id: topOf(layer), inputs, attrs });
}

function eltwise(layer: ReadLayer, context: ImportContext): void {
  if (layer.bottoms.length < 2) throw layerError(layer, "reads one blob");
  const parts = {
    id: topOf(layer),
    inputs: layer.bottoms.map((_, at) => bottomOf(layer, context, at)),
  };
  const coefficients = arrayOf(layer, 1, "float");
  const sum = coefficients.length === 0 ? {} : { coefficients };
  if (coefficients.length > 0 && coefficients.length !== parts.inputs.length) {
    throw layerError(layer, "needs a coefficient per blob", `${coefficients.length}`);
  }
  const nodes: readonly Node[] = [
    { op: "mul", ...parts, attrs: {} },
    { op: "add", ...parts, attrs: sum },
    { op: "maximum", ...parts, attrs: {} },
  ];
  const node = nodes[intOf(layer, 0, 0, [0, 2])];
  if (node !== undefined) add(layer, context, node);
}

const binaryOps = ["add", "sub", "mul", "div", "maximum"] as const;

/** Operations 7 and 8 are 1 and 3 with the operands the other way round. */
function binaryOp(layer: ReadLayer, context: ImportContext): void {
  const number = intOf(layer, 0, 0);
  const op = number === 7 ? "sub" : number === 8 ? "div" : binaryOps[number];
  if (op === undefined) throw layerError(layer, "unknown operation", `${number}`);
  const withNumber = intOf(layer, 1, 0) !== 0;
  assertBlobs(layer, withNumber ? 1 : 2);
  const first = bottomOf(layer, context);
  const second = withNumber
    ? addConst(layer, context, "number", [], Float32Array.of(floatOf(layer, 2, 0)))
    : bottomOf(layer, context, 1);
  if (!withNumber) assertSameRank(layer, context, [first, second]);
  const inputs = number >= 7 ? [second, first] : [first, second];
  add(layer, context, { op, id: topOf(layer), inputs, attrs: {} });
}

/** ncnn broadcasts blobs of fewer axes from the outermost on, we from the innermost. */
function assertSameRank(layer: ReadLayer, context: ImportContext, ids: readonly string[]): void {
  const ranks = new Set(ids.map((id) => dimsOfValue(layer, context, id).length));
  if (ranks.size > 1) throw layerError(layer, "its blobs have different numbers of axes");
}

export const pointwiseImporters: Importers = {
  ReLU: unary((layer, parts) => ({ op: "relu", ...parts, attrs: { slope: floatOf(layer, 0, 0) } })),
  Clip: unary((layer, parts) => {
    const attrs = { min: floatOf(layer, 0, -Infinity), max: floatOf(layer, 1, Infinity) };
    return { op: "clip", ...parts, attrs };
  }),
  PReLU: prelu,
  ELU: unary((layer, parts) => ({ op: "elu", ...parts, attrs: { alpha: floatOf(layer, 0, 0.1) } })),
  Sigmoid: unary((_, parts) => ({ op: "sigmoid", ...parts, attrs: {} })),
  TanH: unary((_, parts) => ({ op: "tanh", ...parts, attrs: {} })),
  AbsVal: unary((_, parts) => ({ op: "abs", ...parts, attrs: {} })),
  Power: unary((layer, parts) => {
    const [power, scaleBy, shift] = [
      floatOf(layer, 0, 1),
      floatOf(layer, 1, 1),
      floatOf(layer, 2, 0),
    ];
    return { op: "power", ...parts, attrs: { power, scale: scaleBy, shift } };
  }),
  Exp: unary((layer, parts) => ({ op: "exp", ...parts, attrs: baseScaleShift(layer) })),
  Log: unary((layer, parts) => ({ op: "log", ...parts, attrs: baseScaleShift(layer) })),
  Dropout: unary((layer, parts) => {
    if (floatOf(layer, 0, 1) !== 1) throw layerError(layer, "a dropout that scales");
    return { op: "dropout", ...parts, attrs: { ratio: 0 } };
  }),
  Noop: unary((_, parts) => ({ op: "identity", ...parts, attrs: {} })),
  Softmax: softmax,
  BatchNorm: batchNorm,
  Scale: scale,
  Bias: bias,
  LRN: unary((layer, parts) => {
    const region = intOf(layer, 0, 0, [0, 1]) === 0 ? "across" : "within";
    const [alpha, beta, k] = [floatOf(layer, 2, 1), floatOf(layer, 3, 0.75), floatOf(layer, 4, 1)];
    const attrs = { size: intOf(layer, 1, 5, sizes), alpha, beta, k, region } as const;
    return { op: "lrn", ...parts, attrs };
  }),
  Normalize: normalize,
  Eltwise: eltwise,
  BinaryOp: binaryOp,
};

function baseScaleShift(layer: ReadLayer): { base: number; scale: number; shift: number } {
  return { base: floatOf(layer, 0, -1), scale: floatOf(layer, 1, 1), shift: floatOf(layer, 2, 0) };
}
