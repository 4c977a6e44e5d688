/**
 * An example of every Caffe layer type and ONNX operator that the readers know, by its name and, where
 * the settings matter, a word on them. The support table is made from these.
 */
import { type Attributes, float, int, ints } from "../src/formats/onnx/attribute.ts";
import { float32, int64, type Tensor } from "../src/tensor/tensor.ts";
import { type OnnxSketch, varied } from "./support-sketch.ts";

type Examples<T> = Readonly<Record<string, Readonly<Record<string, T>>>>;

const usual = "";

function layer(type: string, fields = "", bottoms: readonly string[] = ["before"]): string {
  const read = bottoms.map((bottom) => `bottom: "${bottom}"`).join(" ");
  return `layer { name: "probe" type: "${type}" ${read} top: "probe" ${fields} }`;
}

const two = ["before", "before2"];
/** A layer of 4x4 pixels, for those that need one. */
const smaller = `layer { name: "beforeSmall" type: "Pooling" bottom: "before" top: "beforeSmall"
  pooling_param { kernel_size: 2 stride: 2 } }`;
const kernel = "num_output: 4 kernel_size: 3";

export const caffeExamples: Examples<string> = {
  Convolution: { [usual]: layer("Convolution", `convolution_param { ${kernel} }`) },
  ConvolutionDepthwise: {
    [usual]: layer("ConvolutionDepthwise", `convolution_param { ${kernel} }`),
  },
  DepthwiseConvolution: {
    [usual]: layer("DepthwiseConvolution", `convolution_param { ${kernel} }`),
  },
  DepthwiseConv: { [usual]: layer("DepthwiseConv", `convolution_param { ${kernel} }`) },
  QuantConvolution: {
    [usual]: layer("QuantConvolution", `convolution_param { ${kernel} }`),
  },
  Deconvolution: { [usual]: layer("Deconvolution", `convolution_param { ${kernel} }`) },
  InnerProduct: { [usual]: layer("InnerProduct", "inner_product_param { num_output: 3 }") },
  Pooling: {
    MAX: layer("Pooling", "pooling_param { kernel_size: 2 stride: 2 }"),
    AVE: layer("Pooling", "pooling_param { pool: AVE kernel_size: 2 stride: 2 }"),
    "AVE with pad": layer("Pooling", "pooling_param { pool: AVE kernel_size: 3 pad: 1 }"),
    "AVE, global": layer("Pooling", "pooling_param { pool: AVE global_pooling: true }"),
    STOCHASTIC: layer("Pooling", "pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }"),
  },
  ReLU: {
    [usual]: layer("ReLU"),
    negative_slope: layer("ReLU", "relu_param { negative_slope: 0.1 }"),
  },
  ReLU6: { [usual]: layer("ReLU6") },
  Clip: { [usual]: layer("Clip", "clip_param { min: 0 max: 6 }") },
  PReLU: { [usual]: layer("PReLU") },
  QuantReLU: {
    [usual]: layer("QuantReLU"),
    quant_enable: layer("QuantReLU", "quant_relu_param { quant_enable: true }"),
  },
  ELU: { [usual]: layer("ELU") },
  Sigmoid: { [usual]: layer("Sigmoid") },
  TanH: { [usual]: layer("TanH") },
  AbsVal: { [usual]: layer("AbsVal") },
  Power: {
    "power 2": layer("Power", "power_param { power: 2 }"),
    "power 1": layer("Power", "power_param { scale: 2 shift: 1 }"),
  },
  Exp: { [usual]: layer("Exp") },
  Log: { [usual]: layer("Log", "log_param { shift: 1 }") },
  Dropout: { [usual]: layer("Dropout") },
  Softmax: { [usual]: layer("Softmax") },
  BatchNorm: { [usual]: layer("BatchNorm") },
  Scale: {
    learned: layer("Scale", "scale_param { bias_term: true }"),
    "two blobs": layer("Scale", "scale_param { axis: 0 }", two),
  },
  Bias: { [usual]: layer("Bias") },
  LRN: { [usual]: layer("LRN", "lrn_param { local_size: 3 }") },
  Normalize: { [usual]: layer("Normalize", "norm_param { across_spatial: false }") },
  Eltwise: {
    SUM: layer("Eltwise", "", two),
    PROD: layer("Eltwise", "eltwise_param { operation: PROD }", two),
    MAX: layer("Eltwise", "eltwise_param { operation: MAX }", two),
  },
  Concat: { [usual]: layer("Concat", "", two) },
  Slice: {
    [usual]: `${layer("Slice", 'top: "rest" slice_param { slice_point: 2 }')}
      layer { name: "unread" type: "Silence" bottom: "rest" }`,
  },
  Tile: { [usual]: layer("Tile", "tile_param { tiles: 2 }") },
  Flatten: { [usual]: layer("Flatten") },
  Reshape: { [usual]: layer("Reshape", "reshape_param { shape { dim: 0 dim: -1 } }") },
  Permute: {
    [usual]: layer("Permute", "permute_param { order: 0 order: 2 order: 3 order: 1 }"),
  },
  Crop: {
    [usual]: `${smaller} ${layer("Crop", "crop_param { axis: 2 offset: 1 }", ["before", "beforeSmall"])}`,
  },
  Interp: { [usual]: layer("Interp", "interp_param { zoom_factor: 2 }") },
  Upsample: { [usual]: layer("Upsample", "upsample_param { scale: 2 }") },
  ArgMax: { [usual]: layer("ArgMax") },
  Parameter: {},
  Split: { [usual]: layer("Split") },
  PriorBox: { [usual]: layer("PriorBox", "prior_box_param { min_size: 2 }", ["before", "data"]) },
  DetectionOutput: {},
};

const weights = (...shape: number[]): Readonly<Record<string, Tensor>> => {
  const count = shape.reduce((a, b) => a * b, 1);
  return { w: float32(shape, Float32Array.from({ length: count }, varied)) };
};

/** An operator of "before" and nothing else. */
const one = (opType: string, attributes: Attributes = {}): OnnxSketch => ({ opType, attributes });
const pair = (opType: string): OnnxSketch => ({ opType, inputs: two });
/** An operator of "before" and a constant of one number per channel. */
const withConstant = (opType: string): OnnxSketch => ({
  opType,
  inputs: ["before", "w"],
  values: weights(4, 1, 1),
});
const square = { kernel_shape: ints([2, 2]), strides: ints([2, 2]) };
const arithmetic = (opType: string): Readonly<Record<string, OnnxSketch>> => ({
  "two values": pair(opType),
  "a constant": withConstant(opType),
});
const withList = (opType: string, values: readonly number[]): OnnxSketch => ({
  opType,
  inputs: ["before", "list"],
  values: { list: int64([values.length], values) },
});
const resizing = {
  empty: float32([0], []),
  scales: float32([4], [1, 1, 2, 2]),
};

export const onnxExamples: Examples<OnnxSketch> = {
  Conv: { [usual]: { opType: "Conv", inputs: ["before", "w"], values: weights(4, 4, 3, 3) } },
  ConvTranspose: {
    [usual]: { opType: "ConvTranspose", inputs: ["before", "w"], values: weights(4, 4, 3, 3) },
  },
  MaxPool: { [usual]: one("MaxPool", square) },
  AveragePool: {
    [usual]: one("AveragePool", square),
    "pads counted": one("AveragePool", {
      ...square,
      pads: ints([1, 1, 1, 1]),
      count_include_pad: int(1),
    }),
  },
  GlobalAveragePool: { [usual]: one("GlobalAveragePool") },
  GlobalMaxPool: { [usual]: one("GlobalMaxPool") },
  Gemm: { [usual]: { opType: "Gemm", inputs: ["beforeFlat", "w"], values: weights(256, 3) } },
  MatMul: {
    "constant matrix": { opType: "MatMul", inputs: ["beforeFlat", "w"], values: weights(256, 3) },
    "two values": pair("MatMul"),
  },
  BatchNormalization: {
    [usual]: {
      opType: "BatchNormalization",
      inputs: ["before", "w", "w", "w", "w"],
      values: weights(4),
    },
  },
  LRN: { [usual]: one("LRN", { size: int(3) }) },
  Relu: { [usual]: one("Relu") },
  LeakyRelu: { [usual]: one("LeakyRelu", { alpha: float(0.1) }) },
  Clip: {
    [usual]: {
      opType: "Clip",
      inputs: ["before", "low", "high"],
      values: { low: float32([], [0]), high: float32([], [6]) },
    },
  },
  PRelu: { [usual]: withConstant("PRelu") },
  Elu: { [usual]: one("Elu") },
  Sigmoid: { [usual]: one("Sigmoid") },
  Tanh: { [usual]: one("Tanh") },
  Abs: { [usual]: one("Abs") },
  Neg: { [usual]: one("Neg") },
  Sqrt: { [usual]: one("Sqrt") },
  Reciprocal: { [usual]: one("Reciprocal") },
  Pow: {
    [usual]: { opType: "Pow", inputs: ["before", "p"], values: { p: float32([], [2]) } },
  },
  Exp: { [usual]: one("Exp") },
  Log: { [usual]: one("Log") },
  Add: arithmetic("Add"),
  Sum: { [usual]: pair("Sum") },
  Sub: arithmetic("Sub"),
  Mul: arithmetic("Mul"),
  Div: arithmetic("Div"),
  Max: { [usual]: pair("Max") },
  Dropout: { [usual]: one("Dropout") },
  Identity: { [usual]: one("Identity") },
  Concat: { [usual]: { ...pair("Concat"), attributes: { axis: int(1) } } },
  Split: {
    [usual]: { ...one("Split", { axis: int(1) }), outputs: ["probe", "rest"] },
  },
  Slice: {
    [usual]: {
      opType: "Slice",
      inputs: ["before", "starts", "ends", "axes"],
      values: { starts: int64([1], [1]), ends: int64([1], [3]), axes: int64([1], [1]) },
    },
  },
  Flatten: { [usual]: one("Flatten") },
  Reshape: { [usual]: withList("Reshape", [1, -1]) },
  Squeeze: { [usual]: withList("Squeeze", [0]) },
  Unsqueeze: { [usual]: withList("Unsqueeze", [2]) },
  Transpose: { [usual]: one("Transpose", { perm: ints([0, 2, 3, 1]) }) },
  ReduceMean: { [usual]: one("ReduceMean", { axes: ints([2, 3]) }) },
  Softmax: { [usual]: one("Softmax", { axis: int(1) }) },
  Resize: {
    [usual]: { opType: "Resize", inputs: ["before", "empty", "scales"], values: resizing },
  },
  Upsample: {
    [usual]: { opType: "Upsample", inputs: ["before", "scales"], values: resizing, opset: 9 },
  },
  Pad: { [usual]: withList("Pad", [0, 0, 1, 1, 0, 0, 1, 1]) },
  QuantizeLinear: {},
  DequantizeLinear: {},
};
