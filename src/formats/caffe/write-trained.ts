/**
 * A training state as the network message that Caffe's snapshot holds: the layers of the phase that was trained, in
 * order, with their blobs, frozen ones and the sums of batch norms among them.
 */
import type { MessageInit } from "../../protobuf/schema.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import type { NetParameter } from "./schema/schema.ts";
import { type CaffeSchema, type LayerInit, type LayerParameter, setting } from "./schema/schema.ts";
import { blobKey } from "./training-parameters.ts";

/**
 * The message of a caffemodel. `net` is what `trainingNet` gave, `state` has the keys of `src/ir/training.ts`; others
 * are not looked at. Reading it back gives the same state, bit for bit.
 */
export function stateToCaffemodel(
  net: NetParameter,
  state: ReadonlyMap<string, Tensor<"float32">>,
): MessageInit<CaffeSchema, "NetParameter"> {
  const shared = new Map<string, string>();
  return { name: net.name, layer: net.layer.map((layer) => withBlobs(layer, state, shared)) };
}

/** The layer with its blobs: as many as the state has under its name, or that of a layer whose blobs it shares. */
function withBlobs(
  layer: LayerParameter,
  state: ReadonlyMap<string, Tensor<"float32">>,
  shared: Map<string, string>,
): LayerInit {
  const blobs: NonNullable<LayerInit["blobs"]>[number][] = [];
  for (;;) {
    const value = state.get(blobKey(layer, blobs.length, shared));
    if (value === undefined) return { ...layer, blobs };
    const { shape, data } = inFile(layer, blobs.length, value);
    blobs.push({ shape: { dim: shape }, data });
  }
}

/** The blob as Caffe's layer has it: `transpose` turns a matrix, and one number for all channels has no dimension. */
function inFile(layer: LayerParameter, index: number, value: Tensor<"float32">): Tensor<"float32"> {
  const { inner_product_param: product } = layer;
  if (index === 0 && setting("InnerProductParameter", product, "transpose")) {
    return transposed(value);
  }
  return isForAllChannels(layer) ? float32([], value.data) : value;
}

function isForAllChannels({
  type,
  prelu_param,
  quant_relu_param,
  norm_param,
}: LayerParameter): boolean {
  if (type === "PReLU") return setting("PReLUParameter", prelu_param, "channel_shared");
  if (type === "QuantReLU")
    return setting("QuantReLUParameter", quant_relu_param, "channel_shared");
  return type === "Normalize" && setting("NormalizeParameter", norm_param, "channel_shared");
}

function transposed({
  shape: [rows = 1, columns = 1],
  data,
}: Tensor<"float32">): Tensor<"float32"> {
  const turned = new Float32Array(data.length);
  for (let at = 0; at < data.length; at += 1) {
    turned[(at % columns) * rows + Math.floor(at / columns)] = data[at] ?? 0;
  }
  return float32([columns, rows], turned);
}
