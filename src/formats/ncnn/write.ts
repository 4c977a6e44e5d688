/**
 * A graph to ncnn's `.param` (text and binary) and `.bin`. Every node is a layer of its own name or a few of
 * names made from it. What ncnn cannot say is a named error; operators of one chip are none of its layers.
 */
import { usageError } from "../../error.ts";
import { type Graph, sweep } from "../../ir/graph.ts";
import { apply, type Node, type OpTable } from "../../ir/ops.ts";
import type { Chunks } from "../../tensor/chunks.ts";
import { encodeBin } from "./bin.ts";
import { withSplits, withUniqueNames } from "./connect.ts";
import { exportArithmetic, exportBias, exportConst, exportScale } from "./export-arithmetic.ts";
import {
  blobOf,
  dimsOf,
  directOutputs,
  type ExportContext,
  exportContext,
  inexpressible,
  type Layers,
  layerFor,
} from "./export-context.ts";
import {
  exportConv,
  exportDeconv,
  exportGlobalPool,
  exportLinear,
  exportPool,
} from "./export-kernel.ts";
import {
  exportBatchNorm,
  exportClip,
  exportElu,
  exportExpLog,
  exportLrn,
  exportNormalize,
  exportPower,
  exportPrelu,
  exportRelu,
  exportSoftmax,
} from "./export-pointwise.ts";
import {
  exportArgMax,
  exportConcat,
  exportFlatten,
  exportInput,
  exportPad,
  exportReshape,
  exportResize,
  exportSlice,
  exportTranspose,
} from "./export-shape.ts";
import { exportDetectionOutput, exportPriorBox } from "./export-ssd.ts";
import type { LayerType, NcnnLayer } from "./layer.ts";
import { encodeParamBinary, printParamText } from "./print-param.ts";

type Exporter<K extends Node> = (node: K, context: ExportContext) => Layers | NcnnLayer;

const none = (node: Node): never => {
  throw inexpressible(node, "there is no such layer");
};

const chipOnly = (node: Node): never => {
  throw inexpressible(node, "it belongs to a chip, not to the host");
};

/** A layer without parameters. */
const bareLayer =
  (type: LayerType): Exporter<Node> =>
  (node, context) =>
    layerFor(context, node, type);

const exporters: OpTable<[context: ExportContext], Layers | NcnnLayer> = {
  input: exportInput,
  // Constants are weights, or written where something reads them as a value.
  const: () => [],
  conv: exportConv,
  deconv: exportDeconv,
  linear: exportLinear,
  maxPool: exportPool,
  avgPool: exportPool,
  stochasticPool: none,
  globalAvgPool: exportGlobalPool,
  globalMaxPool: exportGlobalPool,
  relu: exportRelu,
  clip: exportClip,
  prelu: exportPrelu,
  elu: exportElu,
  sigmoid: bareLayer("Sigmoid"),
  tanh: bareLayer("TanH"),
  abs: bareLayer("AbsVal"),
  power: exportPower,
  exp: exportExpLog,
  log: exportExpLog,
  softmax: exportSoftmax,
  batchNorm: exportBatchNorm,
  scale: exportScale,
  bias: exportBias,
  lrn: exportLrn,
  normalize: exportNormalize,
  add: exportArithmetic,
  sub: exportArithmetic,
  mul: exportArithmetic,
  div: exportArithmetic,
  maximum: exportArithmetic,
  concat: exportConcat,
  slice: exportSlice,
  flatten: exportFlatten,
  reshape: exportReshape,
  transpose: exportTranspose,
  pad: exportPad,
  resize: exportResize,
  argMax: exportArgMax,
  dropout: bareLayer("Dropout"),
  identity: bareLayer("Noop"),
  imageToTensor: none,
  priorBox: exportPriorBox,
  detectionOutput: exportDetectionOutput,
  quantConv: chipOnly,
  quantRelu: chipOnly,
  quantize: none,
  dequantize: none,
  intConv: chipOnly,
  intLinear: chipOnly,
  intAvgPool: chipOnly,
  intAdd: chipOnly,
  requantize: chipOnly,
  reduceBits: chipOnly,
  toLevels: chipOnly,
  shiftConv: chipOnly,
  zeroInsert: chipOnly,
  opaque: none,
  result: none,
};

export type WriteNcnnOptions = {
  /** Weights of convolutions and fully connected layers as halves: half the file, about three digits. */
  readonly half?: boolean;
};

export type NcnnFiles = {
  readonly param: string;
  readonly paramBinary: Uint8Array;
  /** Large: views of the graph's tensors where they are written as they are. */
  readonly bin: Chunks;
};

/**
 * The three files. ncnn has no batch: the network is written for a batch of one, `[1, c, h, w]` being a blob
 * `c, h, w`. Blobs are named by outputs and node ids, blanks replaced; inputs keep their names. In the binary
 * form blobs have the numbers of their order in the text.
 *
 * A detection output gives ncnn's rows of six: label, score, xmin, ymin, xmax, ymax, by score.
 *
 * Throws for an operator, shape or setting that ncnn's layers cannot say.
 */
export function writeNcnn(graph: Graph, options: WriteNcnnOptions = {}): NcnnFiles {
  const context = exportContext(sweep(graph));
  if (context.graph.outputs.length === 0) throw usageError("the graph has no output");
  const computed = context.graph.nodes.flatMap((node) => exportNode(node, context));
  const own = [...constantLayers(context, computed), ...computed];
  const layers = withUniqueNames(withSplits(context, own, namedOutputs(context)));
  return {
    param: printParamText(layers),
    paramBinary: encodeParamBinary(layers),
    bin: encodeBin(layers, options.half ?? false),
  };
}

function exportNode(node: Node, context: ExportContext): Layers {
  const layers = [apply(exporters, node, context)].flat();
  const type = context.types.get(node.id);
  if (node.op === "const" || type === undefined) return layers;
  if (type.dtype !== "float32") throw inexpressible(node, "it gives no float32", type.dtype);
  dimsOf(node, type.shape);
  return layers;
}

/** Layers for the constants whose blobs the layers read, or that are outputs. */
function constantLayers(context: ExportContext, layers: Layers): Layers {
  const read = new Set(layers.flatMap(({ bottoms }) => bottoms));
  for (const { id } of context.graph.outputs) read.add(blobOf(context, id));
  return context.graph.nodes
    .filter((node): node is Node<"const"> => node.op === "const")
    .filter(({ id }) => read.has(blobOf(context, id)))
    .flatMap((node) => exportConst(node, context));
}

/** Outputs that are not their node's own blob. */
function namedOutputs(context: ExportContext): { name: string; blob: string }[] {
  const direct = new Set(directOutputs(context.graph).map(({ name }) => name));
  const names = new Set<string>();
  return context.graph.outputs.flatMap(({ name, id }) => {
    if (names.has(name)) throw usageError("two outputs have one name", { got: name });
    names.add(name);
    return direct.has(name) ? [] : [{ name, blob: blobOf(context, id) }];
  });
}
