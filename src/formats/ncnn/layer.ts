/**
 * A layer of an ncnn network as both forms of its `.param` file hold it, and the layer types by name and
 * number. Knows no operator of ours: `export-*.ts` and `import-*.ts` translate.
 */

/** First number of both `.param` forms. */
export const magic = 7767517;

/** Bytes that a name may have: ncnn scans `%255s`. */
export const maxNameBytes = 255;

/** Parameter ids are below this (`NCNN_MAX_PARAM_COUNT`). */
export const maxParamId = 32;

/**
 * Layer types in the order of ncnn's own enumeration: the place is the number in `.param.bin`. New types
 * are only ever added at its end, which is longer than this list.
 */
const layerTypes = [
  "AbsVal",
  "ArgMax",
  "BatchNorm",
  "Bias",
  "BNLL",
  "Concat",
  "Convolution",
  "Crop",
  "Deconvolution",
  "Dropout",
  "Eltwise",
  "ELU",
  "Embed",
  "Exp",
  "Flatten",
  "InnerProduct",
  "Input",
  "Log",
  "LRN",
  "MemoryData",
  "MVN",
  "Pooling",
  "Power",
  "PReLU",
  "Proposal",
  "Reduction",
  "ReLU",
  "Reshape",
  "ROIPooling",
  "Scale",
  "Sigmoid",
  "Slice",
  "Softmax",
  "Split",
  "SPP",
  "TanH",
  "Threshold",
  "Tile",
  "RNN",
  "LSTM",
  "BinaryOp",
  "UnaryOp",
  "ConvolutionDepthWise",
  "Padding",
  "Squeeze",
  "ExpandDims",
  "Normalize",
  "Permute",
  "PriorBox",
  "DetectionOutput",
  "Interp",
  "DeconvolutionDepthWise",
  "ShuffleChannel",
  "InstanceNorm",
  "Clip",
  "Reorg",
  "YoloDetectionOutput",
  "Quantize",
  "Dequantize",
  "Yolov3DetectionOutput",
  "PSROIPooling",
  "ROIAlign",
  "Packing",
  "Requantize",
  "Cast",
  "HardSigmoid",
  "SELU",
  "HardSwish",
  "Noop",
] as const;

export type LayerType = (typeof layerTypes)[number];

const numbers: ReadonlyMap<string, number> = new Map(layerTypes.map((type, at) => [type, at]));

/** The number of a type in `.param.bin`; undefined for a type that is not in the list. */
export function typeNumber(type: string): number | undefined {
  return numbers.get(type);
}

/** The type of a number in `.param.bin`. */
export function typeOfNumber(number: number): LayerType | undefined {
  return layerTypes[number];
}

/**
 * A parameter of a layer. `words` are the 32-bit patterns (as int32) that `.param.bin` holds: integers, or
 * float32 bits. The binary form does not tell which, hence `any`.
 */
export type Param = {
  readonly id: number;
  readonly type: "int" | "float" | "any";
  readonly array: boolean;
  readonly words: readonly number[];
};

/** Weights in `.bin`: with a storage flag in front (the large ones), or bare float32. */
export type Weights = { readonly data: Float32Array; readonly flagged: boolean };

export type NcnnLayer = {
  readonly type: LayerType;
  readonly name: string;
  /** Blobs that it reads; each blob of a network is read once. */
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  readonly params: readonly Param[];
  readonly weights: readonly Weights[];
};

const scratch = new DataView(new ArrayBuffer(4));

/** The bits of a float32 as int32: `1 -> 0x3f800000`. */
function floatBits(value: number): number {
  scratch.setFloat32(0, value);
  return scratch.getInt32(0);
}

/** The float32 of an int32's bits. */
export function floatOfBits(word: number): number {
  scratch.setInt32(0, word);
  return scratch.getFloat32(0);
}

export function int(id: number, value: number): Param {
  return { id, type: "int", array: false, words: [value] };
}

export function float(id: number, value: number): Param {
  return { id, type: "float", array: false, words: [floatBits(value)] };
}

export function ints(id: number, values: readonly number[]): Param {
  return { id, type: "int", array: true, words: values };
}

export function floats(id: number, values: readonly number[]): Param {
  return { id, type: "float", array: true, words: values.map(floatBits) };
}

/** A layer as it was read: its place in the file, for errors, and parameters by id. */
export type ReadLayer = {
  readonly type: LayerType;
  readonly name: string;
  readonly bottoms: readonly string[];
  readonly tops: readonly string[];
  readonly params: ReadonlyMap<number, Param>;
  /** `net.param:7` or `net.param.bin: byte 120`. */
  readonly where: string;
};
