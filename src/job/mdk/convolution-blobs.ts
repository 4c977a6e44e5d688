/**
 * Weight and bias of a trained layer with a kernel, and the layer with a bias where it had none.
 */
import type { LayerParameters } from "../../chips/gti/mdk/layer-parameters.ts";
import { inputError } from "../../error.ts";
import { caffeSchema, type LayerParameter } from "../../formats/caffe/schema/schema.ts";
import { create } from "../../protobuf/create.ts";
import type { Shape } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";
import { blobsOf, type Edit, labelOf, type TrainNet } from "./train-net.ts";

export type Kernel = LayerParameters & {
  readonly layer: LayerParameter;
  readonly weightShape: Shape;
  readonly hasBias: boolean;
};

/** The layer's kernel, with a bias of zeros where it has none. Throws where the caffemodel lacks it. */
export function kernelOf(trainNet: TrainNet, layer: LayerParameter): Kernel {
  const [weight, bias] = blobsOf(trainNet, layer) ?? [];
  if (weight === undefined) {
    throw inputError("the layer has no weights in the caffemodel", {
      where: trainNet.files.caffemodel,
      node: labelOf(layer),
      hint: "Do both files belong together?",
    });
  }
  const param = layer.convolution_param ?? layer.inner_product_param;
  const outputs = param?.num_output ?? 0;
  const isFit = outputs > 0 && weight.data.length % outputs === 0;
  if (!isFit || (bias !== undefined && bias.data.length !== outputs)) {
    throw inputError("weights and num_output do not fit together", {
      where: trainNet.files.caffemodel,
      node: labelOf(layer),
      got: `${weight.data.length} weights, ${bias?.data.length ?? 0} biases, ${outputs} outputs`,
    });
  }
  return {
    layer,
    weight: weight.data,
    bias: bias?.data ?? new Float32Array(outputs),
    weightShape: weight.shape,
    hasBias: bias !== undefined,
  };
}

/** The layer with this kernel; `bias_term` becomes true where a bias is new. */
export function kernelEdit(kernel: Kernel, { weight, bias }: LayerParameters): Edit {
  return {
    layer: kernel.hasBias ? kernel.layer : withBias(kernel.layer),
    blobs: [float32(kernel.weightShape, weight), float32([bias.length], bias)],
  };
}

function withBias(layer: LayerParameter): LayerParameter {
  const bias = {
    bias_term: true,
    bias_filler: create(caffeSchema, "FillerParameter", { type: "constant", value: 0 }),
  };
  return {
    ...layer,
    ...(layer.convolution_param && { convolution_param: { ...layer.convolution_param, ...bias } }),
    ...(layer.inner_product_param && {
      inner_product_param: { ...layer.inner_product_param, ...bias },
    }),
  };
}
