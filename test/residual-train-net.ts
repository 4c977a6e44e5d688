/**
 * A small training network in the GTI kit's dialect: three convolutions with batch norms, a shortcut over the last two, and
 * a host layer; its weights, and pictures for its data layer.
 */
import { writeCaffemodel } from "../src/formats/caffe/files.ts";
import { createRandom } from "../src/tensor/random.ts";
import type { Picture } from "./write-lmdb.ts";

const conv = (at: number, bottom: string, pad = 1): string => `
layer { name: "conv${at}" type: "QuantConvolution" bottom: "${bottom}" top: "conv${at}"
  param { lr_mult: 1 }
  convolution_param { num_output: 4 kernel_size: 3 pad: ${pad} bias_term: false }
  quant_convolution_param { coef_precision: DYNAMIC_FIXED_POINT bw_params: 8 } }
layer { name: "bn${at}" type: "BatchNorm" bottom: "conv${at}" top: "conv${at}"
  batch_norm_param { eps: 0.001 } }
layer { name: "scale${at}" type: "Scale" bottom: "conv${at}" top: "conv${at}" scale_param { bias_term: true } }`;

const relu = (at: number, bottom: string): string => `
layer { name: "relu${at}" type: "QuantReLU" bottom: "${bottom}" top: "${bottom}" # the cap
  param { lr_mult: 1 decay_mult: 0 } quant_relu_param { act_bits: 5 filler { value: 6 } } }`;

export type DataText = {
  readonly source?: string;
  readonly transform?: string;
  /** Of the first convolution; 1 by default. */
  readonly pad?: number;
  /** Without the shortcut. */
  readonly isChain?: boolean;
};

const dataLayer = (phase: string, { source = "db", transform = "" }: DataText): string => `
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: ${phase} }
  data_param { source: "${source}" backend: LMDB batch_size: 2 }
  transform_param { mirror: true ${transform} } }`;

/** The prototxt, with a data layer for each phase. */
export function trainText(data: DataText = {}): string {
  const layers = [
    ...[dataLayer("TRAIN", data), dataLayer("TEST", data)],
    ...[conv(0, "data", data.pad), relu(0, "conv0"), conv(1, "conv0"), relu(1, "conv1")],
    conv(2, "conv1"),
    `\nlayer { name: "sum" type: "Eltwise" bottom: "${data.isChain ? "conv2" : "conv0"}" bottom: "conv2" top: "sum" }`,
    relu(2, "sum"),
    '\nlayer { name: "pool" type: "Pooling" bottom: "sum" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }',
    '\nlayer { name: "fc" type: "InnerProduct" bottom: "pool" top: "fc" inner_product_param { num_output: 3 } }',
    '\nlayer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" top: "loss" }',
    '\nlayer { name: "accuracy" type: "Accuracy" bottom: "fc" bottom: "label" top: "accuracy" include { phase: TEST } }',
  ];
  return `# a comment\nname: "residual"${layers.join("")}\n`;
}

/** Weights for pictures of 8x8 and this pad of the first convolution. `inputScale`: the size of the values that the first convolution reads. */
export function trainWeights(
  inputScale: number,
  caps: readonly number[] = [6, 6, 6],
  pad = 1,
): Uint8Array {
  const random = createRandom(5);
  const blob = (shape: readonly number[], from: number, to: number) => ({
    shape: { dim: shape },
    data: Float32Array.from(
      { length: shape.reduce((a, b) => a * b, 1) },
      () => from + random.unit() * (to - from),
    ),
  });
  const layer = [0, 1, 2].flatMap((at) => {
    const [inputs, size] = at === 0 ? [3, 0.3 / inputScale] : [4, 0.3];
    const statistics = [blob([4], -0.5, 0.5), blob([4], 1, 2), blob([1], 2, 2)];
    const affine = [blob([4], 0.8, 1.5), blob([4], -0.2, 0.4)];
    return [
      {
        name: `conv${at}`,
        type: "QuantConvolution",
        blobs: [blob([4, inputs, 3, 3], -size, size)],
      },
      { name: `bn${at}`, type: "BatchNorm", blobs: statistics },
      { name: `scale${at}`, type: "Scale", blobs: affine },
      {
        name: `relu${at}`,
        type: "QuantReLU",
        blobs: [{ shape: { dim: [] }, data: Float32Array.of(caps[at] ?? 6) }],
      },
    ];
  });
  const fc = {
    name: "fc",
    type: "InnerProduct",
    blobs: [blob([3, 4 * (3 + pad) ** 2], -0.2, 0.2), blob([3], -1, 1)],
  };
  return writeCaffemodel({ name: "residual", layer: [...layer, fc] });
}

export function trainPictures(count: number): readonly Picture[] {
  const random = createRandom(7);
  return Array.from({ length: count }, (_, label) => ({
    ...{ channels: 3, height: 8, width: 8, label: label % 3 },
    data: Uint8Array.from({ length: 192 }, () => Math.floor(256 * random.unit())),
  }));
}
