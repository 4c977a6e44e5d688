/**
 * Nodes that join, cut, rearrange and resize values as ncnn layers.
 */
import type { Node } from "../../ir/ops.ts";
import type { Shape } from "../../tensor/shape.ts";
import {
  axisOf,
  blobOf,
  dimsOf,
  type ExportContext,
  imageShape,
  inexpressible,
  inputShape,
  type Layers,
  layerFor,
  shapeOf,
  sizeParams,
  stepFor,
} from "./export-context.ts";
import { paddingParams } from "./export-kernel.ts";
import { float, int, ints, type NcnnLayer } from "./layer.ts";

export function exportInput(node: Node<"input">, context: ExportContext): NcnnLayer {
  const { dtype, shape } = node.attrs;
  if (dtype !== "float32") throw inexpressible(node, "an input that is no float32", dtype);
  return layerFor(context, node, "Input", {
    bottoms: [],
    params: [sizeParams(dimsOf(node, shape))],
  });
}

export function exportConcat(node: Node<"concat">, context: ExportContext): NcnnLayer {
  const bottoms = node.inputs.map((id) => blobOf(context, id));
  const params = [int(0, axisOf(context, node, node.attrs.axis))];
  return layerFor(context, node, "Concat", { bottoms, params });
}

/** The slices of a value that together are all of it; none where they are not. */
function siblings(node: Node<"slice">, context: ExportContext): readonly Node<"slice">[] {
  const axis = axisOf(context, node, node.attrs.axis);
  const size = inputShape(context, node, 0)[axis + 1] ?? 0;
  const all = (context.readers.get(node.inputs[0] ?? "") ?? [])
    .filter((one): one is Node<"slice"> => one.op === "slice")
    .filter((one) => axisOf(context, one, one.attrs.axis) === axis)
    .toSorted((a, b) => a.attrs.start - b.attrs.start);
  const joined = all.every(({ attrs }, at) => attrs.start === (all[at - 1]?.attrs.end ?? 0));
  return joined && all.at(-1)?.attrs.end === size ? all : [];
}

/** One Slice for the pieces that together are all of a value, else a Crop of its own. */
export function exportSlice(node: Node<"slice">, context: ExportContext): Layers {
  const group = siblings(node, context);
  if (group.length < 2) return [cropLayer(node, context)];
  const made = new Set(group.map(({ id }) => id));
  if (context.graph.nodes.find(({ id }) => made.has(id)) !== node) return [];
  const sizes = group.map(({ attrs }) => attrs.end - attrs.start);
  const params = [ints(0, sizes), int(1, axisOf(context, node, node.attrs.axis))];
  const tops = group.map(({ id }) => blobOf(context, id));
  return [layerFor(context, node, "Slice", { tops, params })];
}

/** Offsets w, h, c and output sizes w, h, c. */
function cropLayer(node: Node<"slice">, context: ExportContext): NcnnLayer {
  const sizes = dimsOf(node, shapeOf(context, node, node.id)).toReversed();
  const axis = sizes.length - 1 - axisOf(context, node, node.attrs.axis);
  if (sizes.length > 3) throw inexpressible(node, "a slice of a value of five axes");
  const params = [
    ...sizes.map((_, at) => int(at, at === axis ? node.attrs.start : 0)),
    ...sizes.map((size, at) => int(at + 3, size)),
  ];
  return layerFor(context, node, "Crop", { params });
}

/** Flatten where all axes become one, else Reshape. */
export function exportFlatten(node: Node<"flatten">, context: ExportContext): NcnnLayer {
  const dims = dimsOf(node, shapeOf(context, node, node.id));
  if (dims.length === 1) return layerFor(context, node, "Flatten");
  return layerFor(context, node, "Reshape", { params: [sizeParams(dims)] });
}

export function exportReshape(node: Node<"reshape">, context: ExportContext): NcnnLayer {
  const dims = dimsOf(node, shapeOf(context, node, node.id));
  return layerFor(context, node, "Reshape", { params: [sizeParams(dims)] });
}

/** Orders of the axes (outermost first, without the batch) by ncnn's number for them. */
export const permutations: readonly Shape[] = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
];

export function exportTranspose(node: Node<"transpose">, context: ExportContext): NcnnLayer {
  const { perm } = node.attrs;
  if (perm[0] !== 0) throw inexpressible(node, "it moves the batch axis", `[${perm.join(", ")}]`);
  const axes = perm.slice(1).map((axis) => axis - 1);
  if (axes.length > 3) throw inexpressible(node, "a permutation of five axes");
  // Of two axes there are two orders, 0 and 1, which are those of the last two of three.
  const three = axes.length === 3 ? axes : [0, ...axes.map((axis) => axis + 1)];
  const order = permutations.findIndex((one) => one.every((axis, at) => axis === three[at]));
  if (axes.length < 2) return layerFor(context, node, "Noop");
  return layerFor(context, node, "Permute", { params: [int(0, order)] });
}

export function exportPad(node: Node<"pad">, context: ExportContext): NcnnLayer {
  const { pads, value } = node.attrs;
  imageShape(context, node);
  if (pads.some((pad) => pad < 0)) {
    throw inexpressible(node, "a negative pad", `[${pads.join(", ")}]`);
  }
  return layerFor(context, node, "Padding", { params: [paddingParams(pads, value)] });
}

/** True where ncnn's float32 steps meet the same pixels: `floor(i * fround(from / to))`. */
function stepsAgree(from: number, to: number, factor: number | undefined): boolean {
  const step = Math.fround(from / to);
  return Array.from({ length: to }, (_, at) => {
    const exact = Math.floor(factor === undefined ? (at * from) / to : at / factor);
    return Math.floor(Math.fround(at * step)) === exact || exact >= from - 1;
  }).every((same) => same);
}

/** Both the factor and the size: older versions of ncnn take the step from the factor. */
export function exportResize(node: Node<"resize">, context: ExportContext): NcnnLayer {
  const { mode, alignCorners, size, factor } = node.attrs;
  const [, , h, w] = imageShape(context, node);
  const [, , outH = 0, outW = 0] = shapeOf(context, node, node.id);
  const own = size === undefined ? factor : undefined;
  if (mode === "nearest" && !(stepsAgree(h, outH, own?.[0]) && stepsAgree(w, outW, own?.[1]))) {
    throw inexpressible(node, "its pixels fall between ncnn's", `${outH}x${outW} of ${h}x${w}`);
  }
  const isExact = own === undefined || (own[0] * h === outH && own[1] * w === outW);
  if (mode === "bilinear" && !alignCorners && !isExact) {
    throw inexpressible(node, "a factor that does not give a whole size", own?.join("x"));
  }
  const corners = mode === "bilinear" && alignCorners ? [int(6, 1)] : [];
  const params = [
    int(0, mode === "nearest" ? 1 : 2),
    ...[float(1, outH / h), float(2, outW / w), int(3, outH), int(4, outW)],
    ...corners,
  ];
  return layerFor(context, node, "Interp", { params });
}

/** ncnn counts through memory, which has gaps between channels: flatten first. */
export function exportArgMax(node: Node<"argMax">, context: ExportContext): Layers {
  const { axis, topK, outMaxVal } = node.attrs;
  if (axis !== undefined) throw inexpressible(node, "the largest along one axis");
  if (outMaxVal) throw inexpressible(node, "values behind indices: ncnn gives them in front");
  const params = [int(0, 0), int(1, topK)];
  if (inputShape(context, node, 0).length === 2) {
    return [layerFor(context, node, "ArgMax", { params })];
  }
  const { top, ...flatten } = stepFor(context, node, "flat", "Flatten");
  return [flatten, layerFor(context, node, "ArgMax", { bottoms: [top], params })];
}
