/**
 * Caffe's parameters of the layers that compute, with those of common forks: `QuantConvolution`
 * and `QuantReLU` of the GTI chips' Caffe, `Interp`, `Upsample`.
 */

export const caffeLayerMessages = {
  ArgMaxParameter: {
    out_max_val: { number: 1, type: "bool", default: false },
    top_k: { number: 2, type: "uint32", default: 1 },
    axis: { number: 3, type: "int32" },
  },
  BatchNormParameter: {
    use_global_stats: { number: 1, type: "bool" },
    moving_average_fraction: { number: 2, type: "float", default: 0.999 },
    eps: { number: 3, type: "float", default: 1e-5 },
  },
  BiasParameter: {
    axis: { number: 1, type: "int32", default: 1 },
    num_axes: { number: 2, type: "int32", default: 1 },
    filler: { number: 3, type: "message", message: "FillerParameter" },
  },
  ClipParameter: {
    min: { number: 1, type: "float" },
    max: { number: 2, type: "float" },
  },
  ConcatParameter: {
    concat_dim: { number: 1, type: "uint32", default: 1 },
    axis: { number: 2, type: "int32", default: 1 },
  },
  ConvolutionParameter: {
    num_output: { number: 1, type: "uint32" },
    bias_term: { number: 2, type: "bool", default: true },
    pad: { number: 3, type: "uint32", repeated: true },
    kernel_size: { number: 4, type: "uint32", repeated: true },
    group: { number: 5, type: "uint32", default: 1 },
    stride: { number: 6, type: "uint32", repeated: true },
    weight_filler: { number: 7, type: "message", message: "FillerParameter" },
    bias_filler: { number: 8, type: "message", message: "FillerParameter" },
    pad_h: { number: 9, type: "uint32", default: 0 },
    pad_w: { number: 10, type: "uint32", default: 0 },
    kernel_h: { number: 11, type: "uint32" },
    kernel_w: { number: 12, type: "uint32" },
    stride_h: { number: 13, type: "uint32" },
    stride_w: { number: 14, type: "uint32" },
    engine: { number: 15, type: "enum", enum: "Engine", default: "DEFAULT" },
    axis: { number: 16, type: "int32", default: 1 },
    force_nd_im2col: { number: 17, type: "bool", default: false },
    dilation: { number: 18, type: "uint32", repeated: true },
  },
  CropParameter: {
    axis: { number: 1, type: "int32", default: 2 },
    offset: { number: 2, type: "uint32", repeated: true },
  },
  DropoutParameter: {
    dropout_ratio: { number: 1, type: "float", default: 0.5 },
    scale_train: { number: 2, type: "bool", default: true },
  },
  ELUParameter: {
    alpha: { number: 1, type: "float", default: 1 },
  },
  EltwiseParameter: {
    operation: { number: 1, type: "enum", enum: "EltwiseOp", default: "SUM" },
    coeff: { number: 2, type: "float", repeated: true },
    stable_prod_grad: { number: 3, type: "bool", default: true },
  },
  EmbedParameter: {
    num_output: { number: 1, type: "uint32" },
    input_dim: { number: 2, type: "uint32" },
    bias_term: { number: 3, type: "bool", default: true },
    weight_filler: { number: 4, type: "message", message: "FillerParameter" },
    bias_filler: { number: 5, type: "message", message: "FillerParameter" },
  },
  ExpParameter: {
    base: { number: 1, type: "float", default: -1 },
    scale: { number: 2, type: "float", default: 1 },
    shift: { number: 3, type: "float", default: 0 },
  },
  FlattenParameter: {
    axis: { number: 1, type: "int32", default: 1 },
    end_axis: { number: 2, type: "int32", default: -1 },
  },
  InnerProductParameter: {
    num_output: { number: 1, type: "uint32" },
    bias_term: { number: 2, type: "bool", default: true },
    weight_filler: { number: 3, type: "message", message: "FillerParameter" },
    bias_filler: { number: 4, type: "message", message: "FillerParameter" },
    axis: { number: 5, type: "int32", default: 1 },
    transpose: { number: 6, type: "bool", default: false },
  },
  InterpParameter: {
    height: { number: 1, type: "int32", default: 0 },
    width: { number: 2, type: "int32", default: 0 },
    zoom_factor: { number: 3, type: "int32", default: 1 },
    shrink_factor: { number: 4, type: "int32", default: 1 },
    pad_beg: { number: 5, type: "int32", default: 0 },
    pad_end: { number: 6, type: "int32", default: 0 },
  },
  LRNParameter: {
    local_size: { number: 1, type: "uint32", default: 5 },
    alpha: { number: 2, type: "float", default: 1 },
    beta: { number: 3, type: "float", default: 0.75 },
    norm_region: { number: 4, type: "enum", enum: "NormRegion", default: "ACROSS_CHANNELS" },
    k: { number: 5, type: "float", default: 1 },
    engine: { number: 6, type: "enum", enum: "Engine", default: "DEFAULT" },
  },
  LogParameter: {
    base: { number: 1, type: "float", default: -1 },
    scale: { number: 2, type: "float", default: 1 },
    shift: { number: 3, type: "float", default: 0 },
  },
  MVNParameter: {
    normalize_variance: { number: 1, type: "bool", default: true },
    across_channels: { number: 2, type: "bool", default: false },
    eps: { number: 3, type: "float", default: 1e-9 },
  },
  PReLUParameter: {
    filler: { number: 1, type: "message", message: "FillerParameter" },
    channel_shared: { number: 2, type: "bool", default: false },
  },
  ParameterParameter: {
    shape: { number: 1, type: "message", message: "BlobShape" },
  },
  PoolingParameter: {
    pool: { number: 1, type: "enum", enum: "PoolMethod", default: "MAX" },
    kernel_size: { number: 2, type: "uint32" },
    stride: { number: 3, type: "uint32", default: 1 },
    pad: { number: 4, type: "uint32", default: 0 },
    kernel_h: { number: 5, type: "uint32" },
    kernel_w: { number: 6, type: "uint32" },
    stride_h: { number: 7, type: "uint32" },
    stride_w: { number: 8, type: "uint32" },
    pad_h: { number: 9, type: "uint32", default: 0 },
    pad_w: { number: 10, type: "uint32", default: 0 },
    engine: { number: 11, type: "enum", enum: "Engine", default: "DEFAULT" },
    global_pooling: { number: 12, type: "bool", default: false },
    round_mode: { number: 13, type: "enum", enum: "RoundMode", default: "CEIL" },
    sample: { number: 14, type: "bool", default: false },
  },
  PowerParameter: {
    power: { number: 1, type: "float", default: 1 },
    scale: { number: 2, type: "float", default: 1 },
    shift: { number: 3, type: "float", default: 0 },
  },
  PythonParameter: {
    module: { number: 1, type: "string" },
    layer: { number: 2, type: "string" },
    param_str: { number: 3, type: "string", default: "" },
    share_in_parallel: { number: 4, type: "bool", default: false },
  },
  QuantConvolutionParameter: {
    coef_precision: { number: 1, type: "enum", enum: "CoefPrecision", default: "FLOATING_POINT" },
    bw_params: { number: 2, type: "uint32", default: 8 },
    shift_enable: { number: 3, type: "bool", default: false },
  },
  QuantReLUParameter: {
    filler: { number: 1, type: "message", message: "FillerParameter" },
    channel_shared: { number: 2, type: "bool", default: true },
    act_bits: { number: 3, type: "uint32", default: 5 },
    quant_enable: { number: 4, type: "bool", default: false },
    negative_slope: { number: 5, type: "float", default: 0 },
  },
  ReLUParameter: {
    negative_slope: { number: 1, type: "float", default: 0 },
    engine: { number: 2, type: "enum", enum: "Engine", default: "DEFAULT" },
  },
  RecurrentParameter: {
    num_output: { number: 1, type: "uint32", default: 0 },
    weight_filler: { number: 2, type: "message", message: "FillerParameter" },
    bias_filler: { number: 3, type: "message", message: "FillerParameter" },
    debug_info: { number: 4, type: "bool", default: false },
    expose_hidden: { number: 5, type: "bool", default: false },
  },
  ReductionParameter: {
    operation: { number: 1, type: "enum", enum: "ReductionOp", default: "SUM" },
    axis: { number: 2, type: "int32", default: 0 },
    coeff: { number: 3, type: "float", default: 1 },
  },
  ReshapeParameter: {
    shape: { number: 1, type: "message", message: "BlobShape" },
    axis: { number: 2, type: "int32", default: 0 },
    num_axes: { number: 3, type: "int32", default: -1 },
  },
  SPPParameter: {
    pyramid_height: { number: 1, type: "uint32" },
    pool: { number: 2, type: "enum", enum: "PoolMethod", default: "MAX" },
    engine: { number: 6, type: "enum", enum: "Engine", default: "DEFAULT" },
  },
  ScaleParameter: {
    axis: { number: 1, type: "int32", default: 1 },
    num_axes: { number: 2, type: "int32", default: 1 },
    filler: { number: 3, type: "message", message: "FillerParameter" },
    bias_term: { number: 4, type: "bool", default: false },
    bias_filler: { number: 5, type: "message", message: "FillerParameter" },
  },
  SigmoidParameter: {
    engine: { number: 1, type: "enum", enum: "Engine", default: "DEFAULT" },
  },
  SliceParameter: {
    slice_dim: { number: 1, type: "uint32", default: 1 },
    slice_point: { number: 2, type: "uint32", repeated: true },
    axis: { number: 3, type: "int32", default: 1 },
  },
  SoftmaxParameter: {
    engine: { number: 1, type: "enum", enum: "Engine", default: "DEFAULT" },
    axis: { number: 2, type: "int32", default: 1 },
  },
  SwishParameter: {
    beta: { number: 1, type: "float", default: 1 },
  },
  TanHParameter: {
    engine: { number: 1, type: "enum", enum: "Engine", default: "DEFAULT" },
  },
  ThresholdParameter: {
    threshold: { number: 1, type: "float", default: 0 },
  },
  TileParameter: {
    axis: { number: 1, type: "int32", default: 1 },
    tiles: { number: 2, type: "int32" },
  },
  UpsampleParameter: {
    scale: { number: 1, type: "uint32", default: 2 },
    scale_h: { number: 2, type: "uint32" },
    scale_w: { number: 3, type: "uint32" },
    pad_out_h: { number: 4, type: "bool", default: false },
    pad_out_w: { number: 5, type: "bool", default: false },
    upsample_h: { number: 6, type: "uint32" },
    upsample_w: { number: 7, type: "uint32" },
  },
} as const;
