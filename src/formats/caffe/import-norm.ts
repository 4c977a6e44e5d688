/**
 * Normalization and affine layers: BatchNorm, Scale, Bias, LRN, SSD's Normalize.
 */
import { storedStatistic } from "../../ir/training-state.ts";
import type { Shape } from "../../tensor/shape.ts";
import { normalizeAxis } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import {
  constant,
  emit,
  fault,
  inputOf,
  type LayerContext,
  type LayerImporter,
  shapeOf,
  weight,
} from "./context.ts";
import { setting } from "./schema/schema.ts";
import { layerWeight } from "./weights.ts";

/** Caffe keeps sums: mean and variance are divided by the third blob, a count (0 gives zeros). */
const importBatchNorm: LayerImporter = (context) => {
  const param = context.layer.batch_norm_param;
  const { training } = context.builder;
  if (param?.use_global_stats === false && training === undefined) {
    context.builder.onWarning({
      id: "batch-statistics",
      message: `${context.label} has use_global_stats: false; the stored statistics are used`,
    });
  }
  const shape = [shapeOf(context, 0)[1] ?? 1];
  const store = (index: number, wanted: Shape): Tensor<"float32"> =>
    layerWeight(context.builder.store, context.layer, { index, count: 3, shape: wanted });
  const sums = [store(0, shape), store(1, shape), store(2, [1])] as const;
  const mean = constant(context, "mean", storedStatistic(sums[0], sums[2]));
  const variance = constant(context, "variance", storedStatistic(sums[1], sums[2]));
  const epsilon = setting("BatchNormParameter", param, "eps");
  const id = emit(context, "batchNorm", [inputOf(context, 0), mean, variance], { epsilon });
  if (training !== undefined) {
    const isStored = param?.use_global_stats ?? training.phase === "TEST";
    const fraction = setting("BatchNormParameter", param, "moving_average_fraction");
    const list = isStored ? training.stored : training.fromBatch;
    list.push({ id, layer: context.layer.name ?? "", fraction, sums });
  }
  return [id];
};

/** The dimensions of the input that a learned factor covers. */
function coveredShape(context: LayerContext, axis: number, axes: number): Shape {
  const shape = shapeOf(context, 0);
  const first = normalizeAxis(axis, shape.length, context.label);
  const end = axes === -1 ? shape.length : first + axes;
  if (axes < -1 || end > shape.length) {
    throw fault(context, "num_axes reaches beyond the blob", {
      expected: `at most ${shape.length - first}`,
      got: `${axes}`,
    });
  }
  return shape.slice(first, end);
}

/** The factor is learned, or the second bottom. */
const importScale: LayerImporter = (context) => {
  const param = context.layer.scale_param;
  const axis = setting("ScaleParameter", param, "axis");
  const learned = context.inputs.length === 1;
  const hasBias = setting("ScaleParameter", param, "bias_term");
  const count = (learned ? 1 : 0) + (hasBias ? 1 : 0);
  const shape = learned
    ? coveredShape(context, axis, setting("ScaleParameter", param, "num_axes"))
    : shapeOf(context, 1);
  const inputs = [inputOf(context, 0)];
  if (learned) {
    inputs.push(weight(context, "weight", { index: 0, count, shape, filler: param?.filler }));
  } else inputs.push(inputOf(context, 1));
  if (hasBias) {
    const filler = param?.bias_filler;
    inputs.push(weight(context, "bias", { index: count - 1, count, shape, filler }));
  }
  return [emit(context, "scale", inputs, { axis: positiveAxis(context, axis) })];
};

const importBias: LayerImporter = (context) => {
  const param = context.layer.bias_param;
  const axis = setting("BiasParameter", param, "axis");
  const inputs = [inputOf(context, 0)];
  if (context.inputs.length === 1) {
    const shape = coveredShape(context, axis, setting("BiasParameter", param, "num_axes"));
    inputs.push(weight(context, "bias", { index: 0, count: 1, shape, filler: param?.filler }));
  } else inputs.push(inputOf(context, 1));
  return [emit(context, "bias", inputs, { axis: positiveAxis(context, axis) })];
};

function positiveAxis(context: LayerContext, axis: number): number {
  return normalizeAxis(axis, shapeOf(context, 0).length, context.label);
}

/** Within a channel Caffe always takes 1 for k, whatever the parameter says. */
const importLRN: LayerImporter = (context) => {
  const param = context.layer.lrn_param;
  const size = setting("LRNParameter", param, "local_size");
  if (size % 2 === 0) throw fault(context, "local_size must be odd", { got: `${size}` });
  const within = setting("LRNParameter", param, "norm_region") === "WITHIN_CHANNEL";
  const attrs = {
    size,
    alpha: setting("LRNParameter", param, "alpha"),
    beta: setting("LRNParameter", param, "beta"),
    k: within ? 1 : setting("LRNParameter", param, "k"),
    region: within ? ("within" as const) : ("across" as const),
  };
  return [emit(context, "lrn", [inputOf(context, 0)], attrs)];
};

const importNormalize: LayerImporter = (context) => {
  const param = context.layer.norm_param;
  const shared = setting("NormalizeParameter", param, "channel_shared");
  const shape = [shared ? 1 : (shapeOf(context, 0)[1] ?? 1)];
  const filler = param?.scale_filler;
  const scale = weight(context, "scale", { index: 0, count: 1, shape, filler });
  const attrs = {
    acrossSpatial: setting("NormalizeParameter", param, "across_spatial"),
    epsilon: setting("NormalizeParameter", param, "eps"),
  };
  return [emit(context, "normalize", [inputOf(context, 0), scale], attrs)];
};

export const normImporters: { readonly [type: string]: LayerImporter } = {
  BatchNorm: importBatchNorm,
  Scale: importScale,
  Bias: importBias,
  LRN: importLRN,
  Normalize: importNormalize,
};
