/**
 * Caffe's old network messages in today's form: `layers` of 2014 (V1, enum types), of 2013 (V0, one
 * flat message), and input fields as Input layers. What inference and training need is carried over.
 */
import { inputError } from "../../error.ts";
import { create } from "../../protobuf/create.ts";
import {
  caffeSchema,
  type LayerInit,
  type LayerParameter,
  type NetParameter,
  type V1LayerParameter,
} from "./schema/schema.ts";
import { isV0, upgradeV0 } from "./upgrade-v0.ts";

const v1Types: { readonly [type: string]: string | undefined } = {
  ABSVAL: "AbsVal",
  ACCURACY: "Accuracy",
  ARGMAX: "ArgMax",
  BNLL: "BNLL",
  CONCAT: "Concat",
  CONTRASTIVE_LOSS: "ContrastiveLoss",
  CONVOLUTION: "Convolution",
  DATA: "Data",
  DECONVOLUTION: "Deconvolution",
  DROPOUT: "Dropout",
  DUMMY_DATA: "DummyData",
  EUCLIDEAN_LOSS: "EuclideanLoss",
  ELTWISE: "Eltwise",
  EXP: "Exp",
  FLATTEN: "Flatten",
  HDF5_DATA: "HDF5Data",
  HDF5_OUTPUT: "HDF5Output",
  HINGE_LOSS: "HingeLoss",
  IM2COL: "Im2col",
  IMAGE_DATA: "ImageData",
  INFOGAIN_LOSS: "InfogainLoss",
  INNER_PRODUCT: "InnerProduct",
  LRN: "LRN",
  MEMORY_DATA: "MemoryData",
  MULTINOMIAL_LOGISTIC_LOSS: "MultinomialLogisticLoss",
  MVN: "MVN",
  POOLING: "Pooling",
  POWER: "Power",
  RELU: "ReLU",
  SIGMOID: "Sigmoid",
  SIGMOID_CROSS_ENTROPY_LOSS: "SigmoidCrossEntropyLoss",
  SILENCE: "Silence",
  SOFTMAX: "Softmax",
  SOFTMAX_LOSS: "SoftmaxWithLoss",
  SPLIT: "Split",
  SLICE: "Slice",
  TANH: "TanH",
  WINDOW_DATA: "WindowData",
  THRESHOLD: "Threshold",
};

/** A whole layer message from some of its fields. */
function layerOf(fields: LayerInit): LayerParameter {
  return create(caffeSchema, "LayerParameter", fields);
}

/** All layers in today's form, input fields first. Throws where both old and new layers stand. */
export function upgradeLayers(net: NetParameter, file: string): readonly LayerParameter[] {
  if (net.layer.length > 0 && net.layers.length > 0) {
    throw inputError("a network has either `layer` or `layers`, not both", { where: file });
  }
  const old = net.layers.some(isV0) ? upgradeV0(net.layers) : net.layers.map(upgradeV1);
  return [...inputLayers(net, file), ...(net.layers.length > 0 ? old : net.layer)];
}

function upgradeV1(layer: V1LayerParameter): LayerParameter {
  const { type, param, blobs_lr, weight_decay, blob_share_mode, layer: v0, ...same } = layer;
  const name = typeof type === "string" ? v1Types[type] : undefined;
  if (name === undefined) {
    throw inputError("a layer of the old form has no known type", {
      node: `layer "${layer.name ?? ""}"`,
      got: `${type}`,
    });
  }
  const count = Math.max(param.length, blobs_lr.length, weight_decay.length);
  const params = Array.from({ length: count }, (_, at) => ({
    name: param[at],
    share_mode: blob_share_mode[at],
    lr_mult: blobs_lr[at],
    decay_mult: weight_decay[at],
  }));
  return layerOf({ ...same, type: name, param: params });
}

/** `input` with `input_dim` or `input_shape`, as one Input layer per blob. */
function inputLayers(net: NetParameter, file: string): readonly LayerParameter[] {
  const { input, input_dim: dims, input_shape: shapes } = net;
  if (dims.length > 0 && (shapes.length > 0 || dims.length !== 4 * input.length)) {
    throw inputError("input_dim must have four numbers for each input, and input_shape be absent", {
      where: file,
      expected: `${4 * input.length} numbers`,
      got: `${dims.length}`,
    });
  }
  return input.map((name, index) => {
    const legacy = dims.length > 0 ? { dim: dims.slice(4 * index, 4 * index + 4) } : undefined;
    const shape = legacy ?? shapes[shapes.length === 1 ? 0 : index];
    return layerOf({
      name,
      type: "Input",
      top: [name],
      input_param: { shape: shape === undefined ? [] : [shape] },
    });
  });
}
