/**
 * Operators that move values without changing them. Where a fixed shape begins with the declared
 * batch of 1 it is read as "the batch", so that the graph holds for every batch size.
 */
import type { Node } from "../../ir/ops.ts";
import { normalizeAxis, type Shape } from "../../tensor/shape.ts";
import { hasOneOutput, intOf, intsOf, type OnnxNode } from "./onnx-node.ts";
import {
  floatShape,
  freshName,
  integersAt,
  outputOf,
  type Reading,
  type ReadRules,
} from "./reading.ts";

function readConcat(node: OnnxNode, reading: Reading): Node[] | undefined {
  const shapes = node.inputs.map((id) => floatShape(reading, id));
  if (shapes.some((shape) => shape === undefined)) return undefined;
  const axis = normalizeAxis(intOf(node, "axis", 1), shapes[0]?.length ?? 0, node.name);
  return [{ op: "concat", id: outputOf(node), inputs: node.inputs, attrs: { axis } }];
}

/** The lengths of a Split's pieces; undefined where they are computed or empty. */
function pieces(node: OnnxNode, dim: number, reading: Reading): readonly number[] | undefined {
  const [, lengths = ""] = node.inputs;
  const given = lengths === "" ? intsOf(node, "split") : integersAt(reading, lengths);
  if (lengths !== "" && given === undefined) return undefined;
  const count = node.outputs.length;
  const each = Math.ceil(dim / count);
  const even = Array.from({ length: count }, (_, at) => Math.min(each, dim - at * each));
  const list = given ?? even;
  const total = list.reduce((sum, length) => sum + length, 0);
  return total === dim && list.every((length) => length > 0) ? list : undefined;
}

function readSplit(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = ""] = node.inputs;
  const shape = floatShape(reading, input);
  if (shape === undefined) return undefined;
  const axis = normalizeAxis(intOf(node, "axis", 0), shape.length, node.name);
  const lengths = pieces(node, shape[axis] ?? 0, reading);
  if (lengths?.length !== node.outputs.length) return undefined;
  let start = 0;
  return node.outputs.flatMap((id, at): Node[] => {
    const end = start + (lengths[at] ?? 0);
    const attrs = { axis, start, end };
    start = end;
    return id === "" ? [] : [{ op: "slice", id, inputs: [input], attrs }];
  });
}

type Cut = { readonly axis: number; readonly start: number; readonly end: number };

/** What a Slice takes of each axis; undefined where it is computed, strided or empty. */
function cutsOf(node: OnnxNode, shape: Shape, reading: Reading): readonly Cut[] | undefined {
  const old = reading.opset < 10;
  const list = (name: string, input: number): readonly number[] | undefined =>
    old ? intsOf(node, name) : integersAt(reading, node.inputs[input]);
  const [starts, ends] = [list("starts", 1), list("ends", 2)];
  const hasAxes = old || (node.inputs[3] ?? "") !== "";
  const axes = hasAxes ? list("axes", 3) : starts?.map((_, at) => at);
  const hasSteps = !old && (node.inputs[4] ?? "") !== "";
  const steps = hasSteps ? list("steps", 4) : [];
  if (starts === undefined || ends === undefined || steps === undefined) return undefined;
  if (steps.some((step) => step !== 1)) return undefined;
  const places = axes ?? (old ? starts.map((_, at) => at) : undefined);
  const cuts = places?.map((axis, at) => {
    return cutOf(shape, normalizeAxis(axis, shape.length), starts[at] ?? 0, ends[at] ?? 0);
  });
  return cuts?.some(({ start, end }) => start >= end) ? undefined : cuts;
}

/** Negative bounds count from the end, and all are clamped. */
function cutOf(shape: Shape, axis: number, start: number, end: number): Cut {
  const dim = shape[axis] ?? 0;
  const clamp = (bound: number): number =>
    Math.min(Math.max(bound < 0 ? bound + dim : bound, 0), dim);
  return { axis, start: clamp(start), end: clamp(end) };
}

/** One node per axis that is cut. */
function readSlice(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = ""] = node.inputs;
  const shape = floatShape(reading, input);
  const cuts = shape && cutsOf(node, shape, reading);
  if (shape === undefined || cuts === undefined) return undefined;
  const real = cuts.filter(({ axis, start, end }) => start > 0 || end < (shape[axis] ?? 0));
  const id = outputOf(node);
  if (real.length === 0) return [{ op: "identity", id, inputs: [input], attrs: {} }];
  let before = input;
  return real.map((attrs, at): Node => {
    const own = at === real.length - 1 ? id : freshName(reading, `${id}.axis${attrs.axis}`);
    const cut: Node = { op: "slice", id: own, inputs: [before], attrs };
    before = own;
    return cut;
  });
}

function readFlatten(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = ""] = node.inputs;
  const shape = floatShape(reading, input);
  if (shape === undefined) return undefined;
  const given = intOf(node, "axis", 1);
  const axis = given === shape.length ? given : normalizeAxis(given, shape.length, node.name);
  const id = outputOf(node);
  if (axis === 1 && shape.length > 1) {
    return [{ op: "flatten", id, inputs: [input], attrs: { axis: 1, endAxis: -1 } }];
  }
  const rest = shape.slice(axis).reduce((product, dim) => product * dim, 1);
  const target = axis === 0 ? [1, -1] : [-1, rest];
  return rest === 0 ? undefined : reshapeNodes(node, input, target);
}

function reshapeNodes(node: OnnxNode, input: string, shape: Shape): Node[] {
  return [{ op: "reshape", id: outputOf(node), inputs: [input], attrs: { shape } }];
}

function readReshape(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", target = ""] = node.inputs;
  const shape = floatShape(reading, input);
  const wanted = integersAt(reading, target);
  if (shape === undefined || wanted === undefined || shape.includes(0)) return undefined;
  if (intOf(node, "allowzero", 0) === 1 && wanted.includes(0)) return undefined;
  return reshapeNodes(node, input, withBatchKept(shape, wanted));
}

/** `[1, c, -1]` behind a batch of 1 means `[0, c, -1]`. */
function withBatchKept(shape: Shape, target: Shape): Shape {
  const keeps = shape.length > 1 && shape[0] === 1 && target[0] === 1 && target.length > 1;
  return keeps ? target.with(0, 0) : target;
}

/** Axes to drop or to insert: an attribute before opset 13, an input since. */
function axesOf(node: OnnxNode, reading: Reading): readonly number[] | undefined {
  return reading.opset < 13 ? intsOf(node, "axes") : integersAt(reading, node.inputs[1]);
}

function readSqueeze(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = "", given = ""] = node.inputs;
  const shape = floatShape(reading, input);
  if (shape === undefined) return undefined;
  const listed = given !== "" || node.attributes.has("axes");
  // Without axes every 1 goes, a batch of 1 too: that cannot hold for other batches.
  const axes = listed ? axesOf(node, reading) : undefined;
  const dropped = axes?.map((axis) => normalizeAxis(axis, shape.length));
  if (dropped === undefined || dropped.some((axis) => shape[axis] !== 1)) return undefined;
  return reshapeNodes(
    node,
    input,
    keptDims(shape.flatMap((dim, axis) => (dropped.includes(axis) ? [] : [{ dim, from: axis }]))),
  );
}

function readUnsqueeze(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = ""] = node.inputs;
  const shape = floatShape(reading, input);
  const axes = axesOf(node, reading);
  if (shape === undefined || axes === undefined) return undefined;
  const rank = shape.length + axes.length;
  const added = new Set(axes.map((axis) => normalizeAxis(axis, rank)));
  let from = 0;
  const dims = Array.from({ length: rank }, (_, axis) => {
    if (added.has(axis)) return { dim: 1, from: -1 };
    from += 1;
    return { dim: shape[from - 1] ?? 1, from: from - 1 };
  });
  return reshapeNodes(node, input, keptDims(dims));
}

/** A reshape's target: 0 where the batch keeps its place, sizes elsewhere; a moved batch is -1. */
function keptDims(dims: readonly { readonly dim: number; readonly from: number }[]): Shape {
  return dims.map(({ dim, from }, axis) => {
    if (from !== 0) return dim;
    return axis === 0 ? 0 : -1;
  });
}

function readTranspose(node: OnnxNode, reading: Reading): Node[] | undefined {
  const shape = floatShape(reading, node.inputs[0]);
  if (shape === undefined) return undefined;
  const perm = intsOf(node, "perm") ?? shape.map((_, axis) => shape.length - 1 - axis);
  return [{ op: "transpose", id: outputOf(node), inputs: node.inputs, attrs: { perm } }];
}

/** Axes of a reduction: an attribute before opset 18, an input since. */
function reducedAxes(node: OnnxNode, reading: Reading): readonly number[] | undefined {
  return reading.opset < 18 ? intsOf(node, "axes") : integersAt(reading, node.inputs[1]);
}

/** The mean over both image axes is a global pooling. */
function readReduceMean(node: OnnxNode, reading: Reading): Node[] | undefined {
  const [input = ""] = node.inputs;
  if (floatShape(reading, input)?.length !== 4 || !hasOneOutput(node)) return undefined;
  const axes = reducedAxes(node, reading)?.map((axis) => normalizeAxis(axis, 4));
  if (axes?.toSorted().join() !== "2,3") return undefined;
  const id = outputOf(node);
  if (intOf(node, "keepdims", 1) === 1) {
    return [{ op: "globalAvgPool", id, inputs: [input], attrs: {} }];
  }
  const pooled = freshName(reading, `${id}.pool`);
  return [
    { op: "globalAvgPool", id: pooled, inputs: [input], attrs: {} },
    { op: "flatten", id, inputs: [pooled], attrs: { axis: 1, endAxis: -1 } },
  ];
}

/** Before opset 13 all axes from `axis` on are one: ours only where the others are 1 long. */
function readSoftmax(node: OnnxNode, reading: Reading): Node[] | undefined {
  const shape = floatShape(reading, node.inputs[0]);
  if (shape === undefined || shape.length === 0) return undefined;
  const old = reading.opset < 13;
  const axis = normalizeAxis(intOf(node, "axis", old ? 1 : -1), shape.length, node.name);
  const single = shape.slice(axis + 1).every((dim) => dim === 1);
  if (old && !single) return undefined;
  return [{ op: "softmax", id: outputOf(node), inputs: node.inputs, attrs: { axis } }];
}

export const shapeReadRules: ReadRules = {
  Concat: readConcat,
  Split: readSplit,
  Slice: readSlice,
  Flatten: readFlatten,
  Reshape: readReshape,
  Squeeze: readSqueeze,
  Unsqueeze: readUnsqueeze,
  Transpose: readTranspose,
  ReduceMean: readReduceMean,
  Softmax: readSoftmax,
};
