import { describe, expect, test } from "vitest";
import { structureOf } from "../../../test/caffe-structure.ts";
import { InlayError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import { float32 } from "../../tensor/tensor.ts";
import { writeCaffemodel } from "./files.ts";
import { readCaffe } from "./read.ts";
import { writeCaffe } from "./write.ts";

const encoder = new TextEncoder();
/** A caffemodel with one layer and no weights: fillers are taken. */
const none = writeCaffemodel({ layer: [{ name: "other" }] });

function reread(graph: Graph): Graph {
  const { prototxt, caffemodel } = writeCaffe(graph);
  return readCaffe({
    prototxt: { name: "again.prototxt", bytes: encoder.encode(prototxt) },
    caffemodel: { name: "again.caffemodel", bytes: caffemodel },
  });
}

const head = `input: "data" input_shape { dim: 2 dim: 4 dim: 8 dim: 8 }
  input: "twin" input_shape { dim: 2 dim: 4 dim: 8 dim: 8 }`;
const constant = 'filler { type: "constant" value: 0.5 }';

const layers: readonly string[] = [
  `type: "Convolution" convolution_param { num_output: 6 kernel_h: 3 kernel_w: 1 pad_h: 1 stride: 2
    dilation: 2 dilation: 1 group: 2 weight_${constant} bias_${constant} }`,
  `type: "Deconvolution" convolution_param { num_output: 6 kernel_size: 4 stride: 2 pad: 1 group: 2
    bias_term: false weight_filler { type: "bilinear" } }`,
  `type: "QuantConvolution" convolution_param { num_output: 6 kernel_size: 3 weight_${constant}
    bias_${constant} } quant_convolution_param { coef_precision: TWO_BITS shift_enable: true }`,
  `type: "QuantConvolution" convolution_param { num_output: 6 kernel_size: 1 bias_term: false
    weight_${constant} } quant_convolution_param { coef_precision: DYNAMIC_FIXED_POINT bw_params: 12 }`,
  `type: "QuantReLU" quant_relu_param { act_bits: 10 quant_enable: true channel_shared: true }`,
  `type: "QuantReLU" quant_relu_param { channel_shared: false negative_slope: 0.1 ${constant} }`,
  'type: "Pooling" pooling_param { kernel_size: 2 stride: 2 sample: true }',
  `type: "InnerProduct" inner_product_param { num_output: 3 weight_${constant} bias_${constant} }`,
  'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 }',
  'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 round_mode: FLOOR }',
  'type: "Pooling" pooling_param { pool: AVE kernel_h: 3 kernel_w: 2 stride_w: 2 pad_h: 2 }',
  'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 }',
  'type: "Pooling" pooling_param { pool: AVE global_pooling: true }',
  'type: "Pooling" pooling_param { global_pooling: true }',
  'type: "ReLU" relu_param { negative_slope: 0.1 }',
  'type: "ReLU6"',
  `type: "PReLU" prelu_param { ${constant} }`,
  `type: "PReLU" prelu_param { channel_shared: true ${constant} }`,
  'type: "ELU" elu_param { alpha: 0.3 }',
  'type: "Sigmoid"',
  'type: "TanH"',
  'type: "AbsVal"',
  'type: "Power" power_param { power: 2 scale: 0.1 shift: -3 }',
  'type: "Exp" exp_param { base: 2 }',
  'type: "Log" log_param { shift: 1 }',
  'type: "Dropout" dropout_param { dropout_ratio: 0.4 }',
  'type: "Softmax" softmax_param { axis: -1 }',
  `type: "Scale" scale_param { bias_term: true ${constant} bias_${constant} }`,
  `type: "Scale" scale_param { axis: 2 num_axes: -1 ${constant} }`,
  'type: "Scale" bottom: "twin" scale_param { axis: 0 }',
  `type: "Bias" bias_param { axis: 0 num_axes: 2 ${constant} }`,
  'type: "LRN" lrn_param { local_size: 3 alpha: 0.1 }',
  'type: "LRN" lrn_param { norm_region: WITHIN_CHANNEL k: 7 }',
  `type: "Normalize" norm_param { across_spatial: false channel_shared: false scale_${constant} }`,
  'type: "Eltwise" bottom: "twin" eltwise_param { coeff: 1 coeff: -0.5 }',
  'type: "Eltwise" bottom: "twin" bottom: "data" eltwise_param { operation: MAX }',
  'type: "Concat" bottom: "twin" concat_param { axis: 2 }',
  'type: "Concat"',
  'type: "Slice" top: "z" slice_param { axis: 2 slice_point: 3 }',
  'type: "Flatten" flatten_param { end_axis: 2 }',
  'type: "Reshape" reshape_param { shape { dim: -1 dim: 2 } axis: 2 num_axes: 1 }',
  'type: "Permute" permute_param { order: 0 order: 2 order: 3 order: 1 }',
  'type: "Interp" interp_param { zoom_factor: 2 }',
  'type: "Upsample" upsample_param { scale_h: 2 scale_w: 3 }',
  'type: "ArgMax" argmax_param { top_k: 2 axis: 1 }',
  `type: "PriorBox" bottom: "twin" prior_box_param { min_size: 3 max_size: 5 aspect_ratio: 2
    aspect_ratio: 0.5 variance: 0.1 img_size: 300 step: 8 }`,
];

describe("what is written reads back as the same graph", () => {
  test.each(layers)("%s", (layer) => {
    const text = `${head} layer { name: "x" bottom: "data" top: "y" ${layer} }`;
    const graph = readCaffe({
      prototxt: { name: "net.prototxt", bytes: encoder.encode(text) },
      caffemodel: { name: "none.caffemodel", bytes: none },
    });
    expect(structureOf(reread(graph))).toEqual(structureOf(graph));
  });
});

const input: Node = {
  op: "input",
  id: "data",
  inputs: [],
  attrs: { dtype: "float32", shape: [1, 4, 8, 8] },
};
const graphOf = (nodes: readonly Node[], outputs: Graph["outputs"]): Graph => ({
  name: "g",
  nodes: [input, ...nodes],
  outputs,
  opsets: {},
});

describe("graphs that no prototxt gave", () => {
  test("outputs that are read, given twice, or named as another node", () => {
    const graph = graphOf(
      [
        { op: "relu", id: "a", inputs: ["data"], attrs: { slope: 0 } },
        { op: "sigmoid", id: "b", inputs: ["a"], attrs: {} },
      ],
      [
        { name: "b", id: "a" },
        { name: "first", id: "b" },
        { name: "second", id: "b" },
        { name: "copy", id: "data" },
      ],
    );
    expect(structureOf(reread(graph))).toEqual(structureOf(graph));
  });

  test("a piece of a value, and a constant that is data", () => {
    const tensor = float32([1, 2, 8, 8], new Float32Array(128).fill(3));
    const graph = graphOf(
      [
        { op: "slice", id: "s", inputs: ["data"], attrs: { axis: 1, start: 1, end: 3 } },
        { op: "const", id: "k", inputs: [], attrs: { tensor } },
        { op: "add", id: "sum", inputs: ["s", "k"], attrs: {} },
      ],
      [{ name: "sum", id: "sum" }],
    );
    expect(structureOf(reread(graph))).toEqual(structureOf(graph));
  });

  test("what Caffe cannot say is a named error", () => {
    const attrs = { pads: [1, 0, 0, 0], value: 0 } as const;
    const padded = graphOf(
      [{ op: "pad", id: "p", inputs: ["data"], attrs }],
      [{ name: "p", id: "p" }],
    );
    expect(() => writeCaffe(padded)).toThrow('pad "p": cannot be written as Caffe layers');
    expect(() => writeCaffe(padded)).toThrow(InlayError);
    const tensor = float32([1, 4, 1, 1], [1, 2, 3, 4]);
    const broadcast = graphOf(
      [
        { op: "const", id: "k", inputs: [], attrs: { tensor } },
        { op: "mul", id: "m", inputs: ["data", "k"], attrs: {} },
      ],
      [{ name: "m", id: "m" }],
    );
    expect(() => writeCaffe(broadcast)).toThrow("the inputs have different shapes");
  });
});
