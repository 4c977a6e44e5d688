/**
 * ncnn's inputs, constants, and layers that join, cut, rearrange and resize, as nodes; and those of SSD.
 */
import { elementCount, type Pair, type Shape } from "../../tensor/shape.ts";
import { readWeights } from "./bin.ts";
import { permutations } from "./export-shape.ts";
import { automatic } from "./export-ssd.ts";
import {
  add,
  addConst,
  arrayOf,
  assertBlobs,
  bottomOf,
  counts,
  dimsOfValue,
  floatOf,
  type ImportContext,
  type Importers,
  idFor,
  imageDims,
  intOf,
  layerError,
  sizes,
  topOf,
} from "./import-context.ts";
import { axisWithBatch } from "./import-pointwise.ts";
import type { ReadLayer } from "./layer.ts";

/** The sizes w, h, d, c that a layer states, outermost first; `absent` ends them. */
function statedDims(layer: ReadLayer, absent: number): Shape {
  const [w, h, c, d] = [0, 1, 2, 11].map((id) => intOf(layer, id, absent));
  const given = [w, h, ...(d === absent ? [] : [d]), c].filter((size) => size !== undefined);
  const end = given.indexOf(absent);
  return (end < 0 ? given : given.slice(0, end)).toReversed();
}

function input(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 0);
  const dims = statedDims(layer, 0);
  if (dims.length === 0 || dims.some((size) => size < 1)) {
    throw layerError(layer, "states no size", dims.join("x"), "Add 0=width 1=height 2=channels");
  }
  const attrs = { dtype: "float32", shape: [1, ...dims] } as const;
  add(layer, context, { op: "input", id: topOf(layer), inputs: [], attrs });
}

function memoryData(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 0);
  const dims = statedDims(layer, 0);
  if (dims.some((size) => size < 1)) throw layerError(layer, "states a size below 1");
  const shape = [1, ...(dims.length === 0 ? [1] : dims)];
  const flagged = intOf(layer, 21, 1, [0, 1]) === 0;
  const name = `${layer.type} "${layer.name}"`;
  const data = readWeights(context.bin, elementCount(shape), flagged, name);
  context.values.set(topOf(layer), addConst(layer, context, "data", shape, data));
}

function split(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1, layer.tops.length);
  for (const top of layer.tops) context.values.set(top, bottomOf(layer, context));
}

function concat(layer: ReadLayer, context: ImportContext): void {
  const inputs = layer.bottoms.map((_, at) => bottomOf(layer, context, at));
  const attrs = { axis: axisWithBatch(layer, context, intOf(layer, 0, 0)) };
  add(layer, context, { op: "concat", id: topOf(layer), inputs, attrs });
}

/** Size -233 takes an equal part of what is left. */
function slice(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1, layer.tops.length);
  const lengths = arrayOf(layer, 0, "int");
  if (lengths.length !== layer.tops.length) {
    throw layerError(layer, "needs a size per blob", `${lengths.length}`);
  }
  const axis = axisWithBatch(layer, context, intOf(layer, 1, 0));
  const inputs = [bottomOf(layer, context)];
  const total = dimsOfValue(layer, context, bottomOf(layer, context))[axis - 1] ?? 0;
  let start = 0;
  lengths.forEach((stated, at) => {
    const part = Math.floor((total - start) / (lengths.length - at));
    const end = start + (stated === automatic ? part : stated);
    add(layer, context, { op: "slice", id: topOf(layer, at), inputs, attrs: { axis, start, end } });
    start = end;
  });
}

/** A cut along every axis that becomes shorter. */
function crop(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  if ([6, 7, 8, 9, 10, 11].some((id) => layer.params.has(id))) {
    throw layerError(layer, "cuts from the end, or lists of axes");
  }
  const dims = dimsOfValue(layer, context, bottomOf(layer, context));
  if (dims.length > 3) throw layerError(layer, "a blob of four axes");
  const cuts = dims.toReversed().flatMap((size, at) => {
    const start = intOf(layer, at, 0, counts);
    const stated = intOf(layer, at + 3, automatic);
    const end = stated === automatic || stated === 0 ? size : start + stated;
    return start === 0 && end === size ? [] : [{ axis: dims.length - at, start, end }];
  });
  let value = bottomOf(layer, context);
  cuts.forEach((attrs, at) => {
    const id = at === cuts.length - 1 ? topOf(layer) : idFor(layer, context, "cut");
    value = add(layer, context, { op: "slice", id, inputs: [value], attrs });
  });
  if (cuts.length === 0) {
    add(layer, context, { op: "identity", id: topOf(layer), inputs: [value], attrs: {} });
  }
}

function flatten(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  const inputs = [bottomOf(layer, context)];
  const attrs = { axis: 1, endAxis: -1 };
  add(layer, context, { op: "flatten", id: topOf(layer), inputs, attrs });
}

/** 0 is the size of the same axis (w, h, d, c) of the blob, -1 what is left. */
function reshape(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  if (intOf(layer, 3, 0) !== 0 || layer.params.has(6)) {
    throw layerError(layer, "a reshape that permutes or computes its sizes");
  }
  const dims = statedDims(layer, automatic);
  const from = dimsOfValue(layer, context, bottomOf(layer, context));
  const own = dims.map((size, at) => (size === 0 ? sameAxis(from, dims.length, at) : size));
  if (own.length === 0 || own.some((size) => size < 1 && size !== -1)) {
    throw layerError(layer, "states no sizes", own.join("x"));
  }
  const inputs = [bottomOf(layer, context)];
  add(layer, context, { op: "reshape", id: topOf(layer), inputs, attrs: { shape: [1, ...own] } });
}

/** Size of the axis of `from` with the name that axis `at` of `rank` axes has. */
function sameAxis(from: Shape, rank: number, at: number): number {
  const names = [[], ["w"], ["h", "w"], ["c", "h", "w"], ["c", "d", "h", "w"]];
  const name = names[rank]?.[at] ?? "";
  return from[names[from.length]?.indexOf(name) ?? -1] ?? 1;
}

function permute(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  const rank = dimsOfValue(layer, context, bottomOf(layer, context)).length;
  const order = permutations[intOf(layer, 0, 0, [0, rank === 2 ? 1 : 5])];
  if (rank < 2 || rank > 3 || order === undefined) {
    throw layerError(layer, "permutes a blob of two or three axes", `${rank}`);
  }
  const perm = [0, ...(rank === 3 ? order.map((axis) => axis + 1) : order.slice(1))];
  const inputs = [bottomOf(layer, context)];
  add(layer, context, { op: "transpose", id: topOf(layer), inputs, attrs: { perm } });
}

function padding(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  imageDims(layer, context);
  if ([4, 6, 7, 8].some((id) => intOf(layer, id, 0) !== 0)) {
    throw layerError(layer, "pads with a constant, rows and columns only");
  }
  const [top = 0, bottom = 0, left = 0, right = 0] = [0, 1, 2, 3].map((id) =>
    intOf(layer, id, 0, counts),
  );
  const attrs = { pads: [top, left, bottom, right], value: floatOf(layer, 5, 0) } as const;
  const inputs = [bottomOf(layer, context)];
  add(layer, context, { op: "pad", id: topOf(layer), inputs, attrs });
}

function interp(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  imageDims(layer, context);
  const mode = intOf(layer, 0, 0, [1, 2]) === 1 ? "nearest" : "bilinear";
  if (intOf(layer, 5, 0) !== 0) throw layerError(layer, "takes its size from another blob");
  const size: Pair = [intOf(layer, 3, 0, counts), intOf(layer, 4, 0, counts)];
  const factor: Pair = [floatOf(layer, 1, 1), floatOf(layer, 2, 1)];
  const alignCorners = mode === "bilinear" && intOf(layer, 6, 0) !== 0;
  const stated = size[0] > 0 && size[1] > 0 ? { size } : { factor };
  const inputs = [bottomOf(layer, context)];
  add(layer, context, {
    op: "resize",
    id: topOf(layer),
    inputs,
    attrs: { mode, alignCorners, ...stated },
  });
}

function argMax(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  if (intOf(layer, 0, 0) !== 0) throw layerError(layer, "gives values in front of indices");
  const inputs = [bottomOf(layer, context)];
  const attrs = { topK: intOf(layer, 1, 1, sizes), outMaxVal: false };
  add(layer, context, { op: "argMax", id: topOf(layer), inputs, attrs });
}

function priorBox(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 2);
  const [w, h] = [intOf(layer, 9, 0), intOf(layer, 10, 0)];
  const [stepW, stepH] = [floatOf(layer, 11, automatic), floatOf(layer, 12, automatic)];
  const attrs = {
    minSizes: arrayOf(layer, 0, "float"),
    maxSizes: arrayOf(layer, 1, "float"),
    aspectRatios: arrayOf(layer, 2, "float"),
    flip: intOf(layer, 7, 1) !== 0,
    clip: intOf(layer, 8, 0) !== 0,
    variances: [0.1, 0.1, 0.2, 0.2].map((usual, at) => floatOf(layer, 3 + at, usual)),
    ...(w > 0 && h > 0 ? { imageSize: [h, w] as const } : {}),
    ...(stepW > 0 && stepH > 0 ? { step: [stepH, stepW] as const } : {}),
    offset: floatOf(layer, 13, 0),
  };
  if (attrs.minSizes.length === 0) throw layerError(layer, "states no sizes");
  const inputs = [bottomOf(layer, context), bottomOf(layer, context, 1)];
  add(layer, context, { op: "priorBox", id: topOf(layer), inputs, attrs });
}

function detectionOutput(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 3);
  const attrs = {
    classes: intOf(layer, 0, 0, sizes),
    shareLocation: true,
    backgroundLabel: 0,
    nmsThreshold: floatOf(layer, 1, 0.05),
    nmsTopK: intOf(layer, 2, 300),
    nmsEta: 1,
    keepTopK: intOf(layer, 3, 100),
    confidenceThreshold: floatOf(layer, 4, 0.5),
    codeType: "centerSize",
    varianceEncodedInTarget: false,
  } as const;
  const inputs = [0, 1, 2].map((at) => bottomOf(layer, context, at));
  add(layer, context, { op: "detectionOutput", id: topOf(layer), inputs, attrs });
}

export const shapeImporters: Importers = {
  Input: input,
  MemoryData: memoryData,
  Split: split,
  Concat: concat,
  Slice: slice,
  Crop: crop,
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  Padding: padding,
  Interp: interp,
  ArgMax: argMax,
  PriorBox: priorBox,
  DetectionOutput: detectionOutput,
};
