/**
 * Caffe's layers of 2013: every layer one flat message inside `layers { layer { } }`, and padding a
 * layer of its own, which is merged into the convolution behind it.
 */
import { inputError } from "../../error.ts";
import { create } from "../../protobuf/create.ts";
import {
  caffeSchema,
  type LayerInit,
  type LayerParameter,
  type V0LayerParameter,
  type V1LayerParameter,
} from "./schema/schema.ts";

type Upgrade = (layer: V0LayerParameter, pad: number | undefined) => LayerInit;

/** True for a layer of the 2013 form. */
export function isV0(layer: V1LayerParameter): boolean {
  return layer.layer !== undefined;
}

const plain =
  (type: string): Upgrade =>
  () => ({ type });

const data =
  (type: string): Upgrade =>
  (layer) => ({
    type,
    data_param: { batch_size: layer.batchsize },
    transform_param: { crop_size: layer.cropsize, scale: layer.scale },
  });

const upgrades: { readonly [type: string]: Upgrade | undefined } = {
  accuracy: plain("Accuracy"),
  bnll: plain("BNLL"),
  concat: (layer) => ({ type: "Concat", concat_param: { concat_dim: layer.concat_dim } }),
  conv: (layer, pad) => ({
    type: "Convolution",
    convolution_param: {
      num_output: layer.num_output,
      bias_term: layer.biasterm,
      pad: [pad ?? layer.pad ?? 0],
      kernel_size: layer.kernelsize === undefined ? [] : [layer.kernelsize],
      stride: [layer.stride ?? 1],
      group: layer.group,
      weight_filler: layer.weight_filler,
      bias_filler: layer.bias_filler,
    },
  }),
  data: data("Data"),
  dropout: (layer) => ({
    type: "Dropout",
    dropout_param: { dropout_ratio: layer.dropout_ratio },
  }),
  euclidean_loss: plain("EuclideanLoss"),
  flatten: plain("Flatten"),
  hinge_loss: plain("HingeLoss"),
  images: data("ImageData"),
  innerproduct: (layer) => ({
    type: "InnerProduct",
    inner_product_param: {
      num_output: layer.num_output,
      bias_term: layer.biasterm,
      weight_filler: layer.weight_filler,
      bias_filler: layer.bias_filler,
    },
  }),
  lrn: (layer) => ({
    type: "LRN",
    lrn_param: {
      local_size: layer.local_size,
      alpha: layer.alpha,
      beta: layer.beta,
      k: layer.k,
    },
  }),
  multinomial_logistic_loss: plain("MultinomialLogisticLoss"),
  pool: (layer, pad) => ({
    type: "Pooling",
    pooling_param: {
      pool: layer.pool,
      kernel_size: layer.kernelsize,
      stride: layer.stride,
      pad: pad ?? layer.pad,
    },
  }),
  relu: plain("ReLU"),
  sigmoid: plain("Sigmoid"),
  softmax: plain("Softmax"),
  softmax_loss: plain("SoftmaxWithLoss"),
  split: plain("Split"),
  tanh: plain("TanH"),
  window_data: data("WindowData"),
};

/** The layers in today's form, padding layers merged into their readers. */
export function upgradeV0(layers: readonly V1LayerParameter[]): readonly LayerParameter[] {
  const pads = new Map<string, { readonly pad: number; readonly source: string }>();
  const result: LayerParameter[] = [];
  for (const connection of layers) {
    const layer = connection.layer;
    const [bottom] = connection.bottom;
    if (layer === undefined) throw unknownLayer(connection.name, "no `layer`");
    if (layer.type === "padding") {
      const [top] = connection.top;
      if (top !== undefined && bottom !== undefined) {
        pads.set(top, { pad: layer.pad ?? 0, source: bottom });
      }
      continue;
    }
    const padding = pads.get(bottom ?? "");
    const bottoms = connection.bottom.map((name) => pads.get(name)?.source ?? name);
    const upgrade = upgrades[layer.type ?? ""];
    if (upgrade === undefined) throw unknownLayer(layer.name, layer.type);
    const { name, blobs } = layer;
    const param = multipliers(layer);
    const same = { name, blobs, param, bottom: bottoms, top: connection.top };
    result.push(
      create(caffeSchema, "LayerParameter", { ...same, ...upgrade(layer, padding?.pad) }),
    );
  }
  return result;
}

/** Factors on learning rate and weight decay, blob by blob. */
function multipliers({ blobs_lr, weight_decay }: V0LayerParameter): LayerInit["param"] {
  const count = Math.max(blobs_lr.length, weight_decay.length);
  return Array.from({ length: count }, (_, at) => ({
    lr_mult: blobs_lr[at],
    decay_mult: weight_decay[at],
  }));
}

function unknownLayer(name: string | undefined, type: string | undefined): Error {
  return inputError("a layer of the 2013 form has no known type", {
    node: `layer "${name ?? ""}"`,
    got: type,
  });
}
