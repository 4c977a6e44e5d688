/**
 * BatchNorm and Scale layers of a training network, merged into the convolutions before them.
 */
import { kitEpsilon, mergeBatchNorm } from "../../chips/gti/mdk/merge-batch-norm.ts";
import { inputError } from "../../error.ts";
import { type LayerParameter, setting } from "../../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../../notice.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { kernelEdit, kernelOf } from "./convolution-blobs.ts";
import { blobsOf, type Edit, edited, labelOf, type TrainNet, testLayers } from "./train-net.ts";

export type MergedNorms = {
  readonly trainNet: TrainNet;
  /** Names of the layers that are gone. */
  readonly removed: readonly string[];
};

/** Layers that can take a batch norm in. */
const kernels: ReadonlySet<string> = new Set(["Convolution", "QuantConvolution", "InnerProduct"]);

/**
 * Merges every BatchNorm, and the learned Scale that reads it, into the layer that gives its bottom, if that has a
 * kernel. In-place layers disappear; others stay and do nothing any more, which a warning says. The epsilon is the
 * layer's own, or the kit's 1e-5.
 */
export function mergeBatchNorms(
  before: TrainNet,
  options: { readonly likeMdk: boolean; readonly onWarning: OnWarning },
): MergedNorms {
  let trainNet = before;
  const removed: string[] = [];
  for (const found of findNorms(testLayers(before))) {
    const edits = merge(trainNet, found, options.likeMdk);
    trainNet = edited(trainNet, edits);
    for (const layer of [found.norm, found.scale]) {
      if (layer === undefined) continue;
      if (edits.get(layer) === undefined) removed.push(layer.name ?? "");
      else {
        const message = "merged, but not in place: the layer stays and does nothing";
        options.onWarning({ id: "norm-stays", message, where: labelOf(layer) });
      }
    }
  }
  return { trainNet, removed };
}

type Found = {
  readonly kernel: LayerParameter;
  readonly norm: LayerParameter;
  readonly scale: LayerParameter | undefined;
};

/** Batch norms behind kernels, in order. A Scale counts where it reads the norm's blob next. */
function findNorms(layers: readonly LayerParameter[]): readonly Found[] {
  const found: Found[] = [];
  const givers = new Map<string, LayerParameter>();
  for (const [at, layer] of layers.entries()) {
    const giver = givers.get(layer.bottom[0] ?? "");
    if (layer.type === "BatchNorm" && giver !== undefined && kernels.has(giver.type ?? "")) {
      found.push({ kernel: giver, norm: layer, scale: scaleBehind(layers.slice(at + 1), layer) });
    }
    for (const top of layer.top) givers.set(top, layer);
  }
  return found;
}

function scaleBehind(
  layers: readonly LayerParameter[],
  norm: LayerParameter,
): LayerParameter | undefined {
  const reader = layers.find(({ bottom }) => bottom[0] === norm.top[0]);
  return reader?.type === "Scale" && reader.bottom.length === 1 ? reader : undefined;
}

function merge(
  trainNet: TrainNet,
  { kernel: layer, norm, scale }: Found,
  likeMdk: boolean,
): ReadonlyMap<LayerParameter, Edit | undefined> {
  const kernel = kernelOf(trainNet, current(trainNet, layer));
  const [mean, variance, count] = blobsFor(trainNet, norm, 3);
  const hasBeta = scale !== undefined && setting("ScaleParameter", scale.scale_param, "bias_term");
  const [gamma, beta] = scale === undefined ? [] : blobsFor(trainNet, scale, hasBeta ? 2 : 1);
  if (mean === undefined || variance === undefined) throw lacking(trainNet, norm);
  const own = setting("BatchNormParameter", norm.batch_norm_param, "eps");
  const epsilon = likeMdk ? kitEpsilon : own;
  const statistics = {
    ...{ mean: mean.data, variance: variance.data, count: count?.data[0] ?? 0 },
    ...{ gamma: gamma?.data, beta: beta?.data },
  };
  const merged = mergeBatchNorm(kernel, statistics, epsilon, labelOf(norm));
  const edits = new Map<LayerParameter, Edit | undefined>([[layer, kernelEdit(kernel, merged)]]);
  edits.set(norm, isInPlace(norm) ? undefined : neutralNorm(norm, mean, own));
  if (scale !== undefined) {
    edits.set(scale, isInPlace(scale) ? undefined : neutralScale(scale, gamma, beta));
  }
  return edits;
}

/** The layer as earlier edits left it. */
function current({ net }: TrainNet, layer: LayerParameter): LayerParameter {
  return net.layer.find(({ name, type }) => name === layer.name && type === layer.type) ?? layer;
}

function blobsFor(
  trainNet: TrainNet,
  layer: LayerParameter,
  count: number,
): readonly (Tensor<"float32"> | undefined)[] {
  const blobs = blobsOf(trainNet, layer);
  if (blobs?.length === count) return blobs;
  throw lacking(trainNet, layer, count, blobs?.length);
}

function lacking({ files }: TrainNet, layer: LayerParameter, expected?: number, got = 0): Error {
  return inputError("the layer has another number of blobs in the caffemodel", {
    where: files.caffemodel,
    node: labelOf(layer),
    ...(expected !== undefined && { expected: `${expected}`, got: `${got}` }),
  });
}

function isInPlace({ bottom, top }: LayerParameter): boolean {
  return bottom[0] === top[0];
}

/** Mean 0 and the variance that, with the layer's epsilon, is 1. */
function neutralNorm(layer: LayerParameter, mean: Tensor<"float32">, epsilon: number): Edit {
  const { shape, data } = mean;
  const ones = new Float32Array(data.length).fill(1 - epsilon);
  return {
    layer,
    blobs: [float32(shape, new Float32Array(data.length)), float32(shape, ones), float32([1], [1])],
  };
}

function neutralScale(
  layer: LayerParameter,
  gamma: Tensor<"float32"> | undefined,
  beta: Tensor<"float32"> | undefined,
): Edit {
  const filled = (blob: Tensor<"float32"> | undefined, value: number) =>
    blob === undefined ? [] : [float32(blob.shape, new Float32Array(blob.data.length).fill(value))];
  return { layer, blobs: [...filled(gamma, 1), ...filled(beta, 0)] };
}
