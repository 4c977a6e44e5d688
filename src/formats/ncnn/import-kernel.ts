/**
 * ncnn's convolutions, fully connected layers and pooling as nodes.
 */
import { poolGeometry } from "../../ir/geometry.ts";
import type { ConvAttrs, Node, PoolAttrs } from "../../ir/ops.ts";
import { asNchw, type Pads, type Pair } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { readWeights } from "./bin.ts";
import {
  add,
  addConst,
  addWeights,
  arrayOf,
  assertBlobs,
  bottomOf,
  counts,
  dimsOfValue,
  type ImportContext,
  type Importers,
  idFor,
  imageDims,
  intOf,
  layerError,
  sizes,
  topOf,
} from "./import-context.ts";
import type { ReadLayer } from "./layer.ts";

/** A pair along w and h, of which h is as w where it is absent. */
function pairOf(layer: ReadLayer, alongW: number, alongH: number, absent: number): Pair {
  const w = intOf(layer, alongW, absent, sizes);
  return [intOf(layer, alongH, w, sizes), w];
}

/** Pads: the right as the left, the top as the left, the bottom as the top where absent. */
function padsOf(layer: ReadLayer, ids: readonly [number, number, number, number]): Pads {
  const [leftId, topId, rightId, bottomId] = ids;
  const left = intOf(layer, leftId, 0, counts);
  const top = intOf(layer, topId, left, counts);
  return [top, left, intOf(layer, bottomId, top, counts), intOf(layer, rightId, left, counts)];
}

type Window = { readonly outputs: number; readonly kernel: Pair; readonly attrs: ConvAttrs };

function windowOf(layer: ReadLayer): Window {
  const grouped = layer.type.endsWith("DepthWise");
  const unsupported = [8, 17, 20, 21].find((id) => intOf(layer, id, 0) !== 0);
  if (unsupported !== undefined) throw layerError(layer, `parameter ${unsupported} must be 0`);
  return {
    outputs: intOf(layer, 0, 0, sizes),
    kernel: pairOf(layer, 1, 11, 0),
    attrs: {
      stride: pairOf(layer, 3, 13, 1),
      pads: padsOf(layer, [4, 14, 15, 16]),
      dilation: pairOf(layer, 2, 12, 1),
      groups: grouped ? intOf(layer, 7, 1, sizes) : 1,
    },
  };
}

/** Input channels per group, from the count of weights. */
function inputsPerGroup(layer: ReadLayer, { outputs, kernel }: Window, count: number): number {
  const inputs = count / (outputs * kernel[0] * kernel[1]);
  if (Number.isInteger(inputs) && inputs > 0) return inputs;
  throw layerError(layer, "the count of weights does not fit the kernel and outputs", `${count}`);
}

function biasOf(layer: ReadLayer, context: ImportContext, outputs: number, id: number): string[] {
  return intOf(layer, id, 0) === 0 ? [] : [addWeights(layer, context, "bias", [outputs])];
}

const maxWeights = 2 ** 31 - 1;

function convolution(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  const window = windowOf(layer);
  const count = intOf(layer, 6, 0, [1, maxWeights]);
  const inputs = inputsPerGroup(layer, window, count);
  const shape = [window.outputs, inputs, ...window.kernel];
  const weight = addWeights(layer, context, "weight", shape, true);
  const bias = biasOf(layer, context, window.outputs, 5);
  const values = [bottomOf(layer, context), weight, ...bias];
  activated(layer, context, (id) => ({ op: "conv", id, inputs: values, attrs: window.attrs }));
}

function deconvolution(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  const window = windowOf(layer);
  const { groups } = window.attrs;
  const count = intOf(layer, 6, 0, [1, maxWeights]);
  const inPerGroup = inputsPerGroup(layer, window, count);
  const name = `${layer.type} "${layer.name}"`;
  const right = intOf(layer, 18, 0, counts);
  const outputPads: Pair = [intOf(layer, 19, right, counts), right];
  const data = readWeights(context.bin, count, true, name);
  const shape = [inPerGroup * groups, window.outputs / groups, ...window.kernel];
  if (window.outputs % groups !== 0) throw layerError(layer, "groups do not divide the outputs");
  const weight = inputsFirst(float32(shape, data), groups);
  const inputs = [
    bottomOf(layer, context),
    addConst(layer, context, "weight", shape, weight),
    ...biasOf(layer, context, window.outputs, 5),
  ];
  const attrs = { ...window.attrs, outputPads };
  activated(layer, context, (id) => ({ op: "deconv", id, inputs, attrs }));
}

/** ncnn's order (per group by output, then input) as [in, out/groups, kh, kw]. */
function inputsFirst(weight: Tensor<"float32">, groups: number): Float32Array {
  const [inputs, outputs, kh, kw] = asNchw(weight.shape);
  const taps = kh * kw;
  const inPerGroup = inputs / groups;
  const data = new Float32Array(weight.data.length);
  for (let to = 0; to < inputs * outputs; to += 1) {
    const [input, output] = [Math.floor(to / outputs), to % outputs];
    const group = Math.floor(input / inPerGroup);
    const from = (group * outputs + output) * inPerGroup + (input % inPerGroup);
    data.set(weight.data.subarray(from * taps, (from + 1) * taps), to * taps);
  }
  return data;
}

/** Adds the node, and behind it the activation that ncnn computes in the same layer. */
function activated(layer: ReadLayer, context: ImportContext, node: (id: string) => Node): void {
  const type = intOf(layer, 9, 0);
  const [a = 0, b = 0] = arrayOf(layer, 10, "float");
  if (type === 0) {
    add(layer, context, node(topOf(layer)));
    return;
  }
  const inputs = [add(layer, context, node(idFor(layer, context, "linear")))];
  const id = topOf(layer);
  const activations: readonly (Node | undefined)[] = [
    undefined,
    { op: "relu", id, inputs, attrs: { slope: 0 } },
    { op: "relu", id, inputs, attrs: { slope: a } },
    { op: "clip", id, inputs, attrs: { min: a, max: b } },
    { op: "sigmoid", id, inputs, attrs: {} },
  ];
  const activation = activations[type];
  if (activation === undefined) throw layerError(layer, "unknown activation", `${type}`);
  add(layer, context, activation);
}

/** What is not flat is flattened first, as ncnn does. */
function innerProduct(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  if (intOf(layer, 8, 0) !== 0) throw layerError(layer, "parameter 8 must be 0");
  const outputs = intOf(layer, 0, 0, sizes);
  const count = intOf(layer, 2, 0, [1, maxWeights]);
  if (count % outputs !== 0)
    throw layerError(layer, "the count of weights does not fit", `${count}`);
  const weight = addWeights(layer, context, "weight", [outputs, count / outputs], true);
  const bias = biasOf(layer, context, outputs, 1);
  const inputs = [flat(layer, context), weight, ...bias];
  activated(layer, context, (id) => ({ op: "linear", id, inputs, attrs: {} }));
}

function flat(layer: ReadLayer, context: ImportContext): string {
  const value = bottomOf(layer, context);
  if (dimsOfValue(layer, context, value).length === 1) return value;
  const id = idFor(layer, context, "flat");
  return add(layer, context, {
    op: "flatten",
    id,
    inputs: [value],
    attrs: { axis: 1, endAxis: -1 },
  });
}

function pooling(layer: ReadLayer, context: ImportContext): void {
  assertBlobs(layer, 1);
  const average = intOf(layer, 0, 0, [0, 1]) === 1;
  if (intOf(layer, 7, 0) !== 0) throw layerError(layer, "adaptive pooling");
  if (intOf(layer, 4, 0) !== 0) {
    globalPooling(layer, context, average);
    return;
  }
  const mode = intOf(layer, 5, 0, [0, 1]);
  const attrs: PoolAttrs = {
    kernel: pairOf(layer, 1, 11, 0),
    stride: pairOf(layer, 2, 12, 1),
    pads: padsOf(layer, [3, 13, 14, 15]),
    dilation: [1, 1],
    ceil: mode === 0,
  };
  const countPad = intOf(layer, 6, 0, [0, 1]) === 1;
  assertSameWindows(layer, context, attrs, average && countPad);
  const [id, inputs] = [topOf(layer), [bottomOf(layer, context)]];
  const node: Node = average
    ? { op: "avgPool", id, inputs, attrs: { ...attrs, countPad } }
    : { op: "maxPool", id, inputs, attrs };
  add(layer, context, node);
}

/** Rounding up, ncnn never drops a window, and its divisor counts what the last one has beyond the pads. */
function assertSameWindows(
  layer: ReadLayer,
  context: ImportContext,
  attrs: PoolAttrs,
  countPad: boolean,
): void {
  if (!attrs.ceil) return;
  const [, h, w] = imageDims(layer, context);
  const { output, overhang } = poolGeometry([h, w], attrs, `${layer.type} "${layer.name}"`);
  const [top, left, bottom, right] = attrs.pads;
  const whole = [h + top + bottom, w + left + right].map(
    (size, axis) => Math.ceil((size - (attrs.kernel[axis] ?? 1)) / (attrs.stride[axis] ?? 1)) + 1,
  );
  if (whole[0] !== output[0] || whole[1] !== output[1]) {
    throw layerError(layer, "its last window begins beyond the image");
  }
  if (countPad && overhang.some((one) => one > 0)) {
    throw layerError(layer, "its divisor counts more than the pads");
  }
}

/** ncnn's result is a vector. */
function globalPooling(layer: ReadLayer, context: ImportContext, average: boolean): void {
  const id = idFor(layer, context, "pooled");
  const inputs = [bottomOf(layer, context)];
  add(layer, context, { op: average ? "globalAvgPool" : "globalMaxPool", id, inputs, attrs: {} });
  const attrs = { axis: 1, endAxis: -1 };
  add(layer, context, { op: "flatten", id: topOf(layer), inputs: [id], attrs });
}

export const kernelImporters: Importers = {
  Convolution: convolution,
  ConvolutionDepthWise: convolution,
  Deconvolution: deconvolution,
  DeconvolutionDepthWise: deconvolution,
  InnerProduct: innerProduct,
  Pooling: pooling,
};
