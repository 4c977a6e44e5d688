/**
 * A graph to Caffe's prototxt and caffemodel. Every node is a layer of its own name, every value a
 * blob of its own; nothing works in place. Operators without a Caffe layer are a named error.
 */
import { type Graph, sweep } from "../../ir/graph.ts";
import { apply, type Node, type OpTable } from "../../ir/ops.ts";
import { type Chunks, joinBytes } from "../../tensor/chunks.ts";
import {
  blobOf,
  directOutputs,
  type ExportContext,
  exportContext,
  inexpressible,
  layerFor,
  weightOf,
} from "./export-context.ts";
import {
  exportConv,
  exportDeconv,
  exportGlobalPool,
  exportLinear,
  exportPool,
  exportQuantConv,
} from "./export-kernel.ts";
import {
  exportBatchNorm,
  exportBias,
  exportLrn,
  exportNormalize,
  exportPrelu,
  exportQuantRelu,
  exportScale,
} from "./export-norm.ts";
import {
  exportArgMax,
  exportDetectionOutput,
  exportEltwise,
  exportPriorBox,
  exportResize,
  exportSlice,
} from "./export-shape.ts";
import { writePrototxt } from "./files.ts";
import { encodeNet } from "./kit-numbers.ts";
import type { LayerInit } from "./schema/schema.ts";

type Layers = LayerInit | readonly LayerInit[];

const none = (node: Node): never => {
  throw inexpressible(node, "there is no such layer");
};

/** Constants and inputs are written where they are read, or first. */
const nothing = (): Layers => [];

const exporters: OpTable<[context: ExportContext], Layers> = {
  input: (node, context) =>
    layerFor(context, node, "Input", { input_param: { shape: [{ dim: node.attrs.shape }] } }, 0),
  const: nothing,
  conv: exportConv,
  deconv: exportDeconv,
  linear: exportLinear,
  maxPool: exportPool,
  avgPool: exportPool,
  stochasticPool: exportPool,
  globalAvgPool: exportGlobalPool,
  globalMaxPool: exportGlobalPool,
  relu: (node, context) => {
    const { slope } = node.attrs;
    return layerFor(
      context,
      node,
      "ReLU",
      slope === 0 ? {} : { relu_param: { negative_slope: slope } },
    );
  },
  clip: (node, context) => layerFor(context, node, "Clip", { clip_param: node.attrs }),
  prelu: exportPrelu,
  elu: (node, context) => layerFor(context, node, "ELU", { elu_param: node.attrs }),
  sigmoid: (node, context) => layerFor(context, node, "Sigmoid"),
  tanh: (node, context) => layerFor(context, node, "TanH"),
  abs: (node, context) => layerFor(context, node, "AbsVal"),
  power: (node, context) => layerFor(context, node, "Power", { power_param: node.attrs }),
  exp: (node, context) => layerFor(context, node, "Exp", { exp_param: node.attrs }),
  log: (node, context) => layerFor(context, node, "Log", { log_param: node.attrs }),
  softmax: (node, context) => layerFor(context, node, "Softmax", { softmax_param: node.attrs }),
  batchNorm: exportBatchNorm,
  scale: exportScale,
  bias: exportBias,
  lrn: exportLrn,
  normalize: exportNormalize,
  add: exportEltwise,
  sub: exportEltwise,
  mul: exportEltwise,
  div: none,
  maximum: exportEltwise,
  concat: (node, context) =>
    layerFor(context, node, "Concat", { concat_param: node.attrs }, node.inputs.length),
  slice: exportSlice,
  flatten: (node, context) => {
    const flatten_param = { axis: node.attrs.axis, end_axis: node.attrs.endAxis };
    return layerFor(context, node, "Flatten", { flatten_param });
  },
  reshape: (node, context) =>
    layerFor(context, node, "Reshape", { reshape_param: { shape: { dim: node.attrs.shape } } }),
  transpose: (node, context) =>
    layerFor(context, node, "Permute", { permute_param: { order: node.attrs.perm } }),
  pad: none,
  resize: exportResize,
  argMax: exportArgMax,
  dropout: (node, context) =>
    layerFor(context, node, "Dropout", { dropout_param: { dropout_ratio: node.attrs.ratio } }),
  // A Concat of one blob is Caffe's way to say the same again.
  identity: (node, context) => layerFor(context, node, "Concat"),
  imageToTensor: none,
  priorBox: exportPriorBox,
  detectionOutput: exportDetectionOutput,
  quantConv: exportQuantConv,
  quantRelu: exportQuantRelu,
  quantize: none,
  dequantize: none,
  intConv: none,
  intLinear: none,
  intAvgPool: none,
  intAdd: none,
  requantize: none,
  reduceBits: none,
  toLevels: none,
  shiftConv: none,
  zeroInsert: none,
  opaque: none,
  result: none,
};

/**
 * Prototxt text and caffemodel bytes. Reading them back gives the same graph up to the names of
 * constants; the exceptions are a batch norm with gamma and beta (two nodes), a subtraction (a sum
 * with coefficients), pooling that rounds down where that makes no difference, and numbers that are
 * no float32. Throws for an operator, shape or pad that Caffe's layers cannot say.
 */
export function writeCaffe(graph: Graph): { prototxt: string; caffemodel: Uint8Array } {
  const { prototxt, caffemodel } = writeCaffeChunks(graph);
  return { prototxt, caffemodel: joinBytes(caffemodel) };
}

/** The same; large weights in the caffemodel are views of the graph's tensors. */
export function writeCaffeChunks(graph: Graph): { prototxt: string; caffemodel: Chunks } {
  const context = exportContext(sweep(graph));
  const computed = context.graph.nodes.flatMap((node) => apply(exporters, node, context));
  const data = [...context.asData].map((id) => parameterLayer(context, id));
  const layer = [...data, ...computed, ...outputLayers(context)];
  const bare = layer.map(({ blobs: _, ...rest }) => rest);
  return {
    prototxt: writePrototxt("NetParameter", { name: graph.name, layer: bare }),
    caffemodel: encodeNet({ name: graph.name, layer }),
  };
}

/** A constant that is read as data. */
function parameterLayer(context: ExportContext, id: string): LayerInit {
  const tensor = weightOf(context, { op: "identity", id, inputs: [id], attrs: {} }, 0);
  const parameter_param = { shape: { dim: tensor.shape } };
  const top = [context.blobs.get(id) ?? id];
  return { name: id, type: "Parameter", top, parameter_param, blobs: [blobOf(tensor)] };
}

/** Outputs that other layers read too, or that are given twice: blobs of their own. */
function outputLayers(context: ExportContext): readonly LayerInit[] {
  const direct = new Set(directOutputs(context.graph).map(({ name }) => name));
  return context.graph.outputs
    .filter(({ name }) => !direct.has(name))
    .map(({ name, id }) => ({
      name: `${name}.output`,
      type: "Split",
      bottom: [context.blobs.get(id) ?? id],
      top: [name],
    }));
}
