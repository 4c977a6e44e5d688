/**
 * Refined networks of the GTI kit for tests: a prototxt in, files with seeded random weights out.
 */
import { readCaffe } from "../src/formats/caffe/read.ts";
import { writeCaffe } from "../src/formats/caffe/write.ts";
import { type Graph, nodeMap } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32 } from "../src/tensor/tensor.ts";

/** The network with random weights and biases in its convolutions and fully connected layers. */
export function withRandomWeights(prototxt: string, seed: number): Graph {
  const file = { name: "deploy.prototxt", bytes: new TextEncoder().encode(prototxt) };
  const graph = readCaffe({ prototxt: file });
  const nodes = nodeMap(graph);
  const random = createRandom(seed);
  const values = new Map<string, Float32Array>();
  for (const { op, inputs } of graph.nodes) {
    if (op !== "quantConv" && op !== "conv" && op !== "linear") continue;
    const [weight, bias] = inputs.slice(1).map((id) => nodes.get(id));
    const [, ...perOutput] = weight?.op === "const" ? weight.attrs.tensor.shape : [];
    const spread = 1.4 / Math.sqrt(elementCount(perOutput));
    for (const [node, scale, mean] of [
      [weight, spread, spread / 8],
      [bias, 0.1, 0.05],
    ] as const) {
      if (node?.op !== "const") continue;
      const count = elementCount(node.attrs.tensor.shape);
      values.set(
        node.id,
        Float32Array.from({ length: count }, () => mean + scale * random.normal()),
      );
    }
  }
  const filled = graph.nodes.map((node): Node => {
    const data = values.get(node.id);
    if (node.op !== "const" || data === undefined) return node;
    return { ...node, attrs: { tensor: float32(node.attrs.tensor.shape, data) } };
  });
  return { ...graph, nodes: filled };
}

/** Both files of a network with random weights. */
export function kitFiles(
  prototxt: string,
  seed: number,
): { readonly prototxt: string; readonly caffemodel: Uint8Array } {
  return writeCaffe(withRandomWeights(prototxt, seed));
}

type ConvSpec = {
  readonly name: string;
  readonly outputs: number;
  readonly precision: string;
  readonly width: 8 | 12;
  readonly cap?: number;
  readonly bits?: 5 | 10;
};

/** QuantConvolution 3x3 and QuantReLU. */
export function convText(bottom: string, spec: ConvSpec): string {
  const { name, outputs, precision, width, cap = 31, bits = 5 } = spec;
  return `
layer { name: "${name}" type: "QuantConvolution" bottom: "${bottom}" top: "${name}"
  convolution_param { num_output: ${outputs} kernel_size: 3 pad: 1 }
  quant_convolution_param { coef_precision: ${precision} bw_params: ${width} shift_enable: true } }
layer { name: "${name}_relu" type: "QuantReLU" bottom: "${name}" top: "${name}"
  quant_relu_param { act_bits: ${bits} quant_enable: true channel_shared: true filler { value: ${cap} } } }`;
}

export function inputText(size: number, channels = 3): string {
  return `name: "tiny"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: ${channels} dim: ${size} dim: ${size} } } }`;
}

export function poolText(bottom: string, top: string, sample = false): string {
  const kind = sample ? " sample: true" : "";
  return `
layer { name: "${top}" type: "Pooling" bottom: "${bottom}" top: "${top}"
  pooling_param { pool: MAX kernel_size: 2 stride: 2${kind} } }`;
}

/** Fully connected layers and softmax behind a factor. */
export function classifierText(bottom: string, classes: number, factor = 0.02): string {
  return `
layer { name: "unit" type: "Scale" bottom: "${bottom}" top: "unit"
  scale_param { axis: 0 num_axes: 0 filler { value: ${factor} } } }
layer { name: "fc6" type: "InnerProduct" bottom: "unit" top: "fc6" inner_product_param { num_output: 9 } }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" inner_product_param { num_output: ${classes} } }
layer { name: "prob" type: "Softmax" bottom: "fc7" top: "prob" }`;
}

/** 28: 3 -> 16 x2 P, 14: 16 -> 32 x1 P, then a classifier. */
export function tinyText(
  precision: string,
  width: 8 | 12,
  cap: readonly [number, number, number] = [31, 31, 31],
): string {
  const conv = (bottom: string, name: string, outputs: number, at: 0 | 1 | 2): string =>
    convText(bottom, { name, outputs, precision, width, cap: cap[at] });
  return [
    inputText(28),
    conv("data", "conv1", 16, 0),
    conv("conv1", "conv2", 16, 1),
    poolText("conv2", "pool1"),
    conv("pool1", "conv3", 32, 2),
    poolText("conv3", "pool2"),
    classifierText("pool2", 7),
  ].join("");
}

/** The network JSON of `tinyText`. */
export function tinyNetwork(chipType: number, bits: number): Record<string, unknown> {
  return {
    model: [{ ChipType: chipType }],
    layer: [
      {
        image_size: 28,
        input_channels: 3,
        output_channels: 16,
        sublayer_number: 2,
        coef_bits: bits,
        pooling: true,
      },
      {
        image_size: 14,
        input_channels: 16,
        output_channels: 32,
        sublayer_number: 1,
        coef_bits: bits,
        pooling: true,
      },
    ],
  };
}
