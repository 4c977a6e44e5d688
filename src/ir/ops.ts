/**
 * The operator table: one row per operator with its attributes. A new operator starts here, and the
 * compiler then asks every per-operator table (`OpTable`) for the missing row.
 *
 * Inputs are named in the comment; `?` marks an optional one. Unless said otherwise tensors are
 * float32 and images are `[n, c, h, w]`.
 */
import type { Precision } from "../fixed/precision.ts";
import type { Pads, Pair, Shape } from "../tensor/shape.ts";
import type { DType, Tensor, TensorType } from "../tensor/tensor.ts";

type None = Readonly<Record<never, never>>;

/** How a kernel slides. `pads` are in pixels and may differ per side. */
export type ConvAttrs = {
  readonly stride: Pair;
  readonly pads: Pads;
  readonly dilation: Pair;
  readonly groups: number;
};

/**
 * A pooling window. With `ceil` the output size is rounded up, and a last window that would start
 * beyond input plus leading pad is dropped (Caffe and ONNX agree on that).
 */
export type PoolAttrs = {
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly pads: Pads;
  readonly dilation: Pair;
  readonly ceil: boolean;
};

/** A requantized integer output: `clamp(round_half_even(acc * multiplier) + yZero, qMin, qMax)`. */
export type Requantize = {
  readonly yZero: number;
  readonly qMin: number;
  readonly qMax: number;
  /** True for int8, false for uint8; told by the sign of `qMin` where absent. */
  readonly signed?: boolean;
};

/** What an integer layer gives: integers of the next layer's grid, or real values (last layer). */
export type IntOutput = ({ readonly kind: "integer" } & Requantize) | { readonly kind: "real" };

/**
 * What becomes of a shifted accumulator: `clamp(floor(acc * 2^-shift + 0.5), qMin, qMax)`, as uint8 where
 * `0 <= qMin, qMax <= 255`, else uint16 or int16; or the accumulator itself, as int32.
 */
export type ShiftOutput =
  | { readonly kind: "levels"; readonly qMin: number; readonly qMax: number }
  | { readonly kind: "accumulator" };

export type Ops = {
  /** A graph input. Dimension 0 is the batch. */
  input: { readonly dtype: DType; readonly shape: Shape };
  const: { readonly tensor: Tensor };

  /** x, weight [out, in/groups, kh, kw], bias? [out]. Cross-correlation, as in Caffe and ONNX. */
  conv: ConvAttrs;
  /** x, weight [in, out/groups, kh, kw], bias? [out]. `outputPads` are extra bottom and right rows. */
  deconv: ConvAttrs & { readonly outputPads: Pair };
  /** x [n, k], weight [m, k], bias? [m]: `x * weight^T + bias`. */
  linear: None;

  maxPool: PoolAttrs;
  /** With `countPad` the divisor counts padded pixels (clipped to the padded image), as in Caffe. */
  avgPool: PoolAttrs & { readonly countPad: boolean };
  /** Caffe's STOCHASTIC at test time: per window `sum(x^2) / sum(x)` where that sum is above 0, else 0. */
  stochasticPool: PoolAttrs;
  /** [n, c, h, w] -> [n, c, 1, 1]. */
  globalAvgPool: None;
  globalMaxPool: None;

  /** `x > 0 ? x : slope * x`. */
  relu: { readonly slope: number };
  clip: { readonly min: number; readonly max: number };
  /** x, slope [c] or [1]. */
  prelu: None;
  elu: { readonly alpha: number };
  sigmoid: None;
  tanh: None;
  abs: None;
  /** `(shift + scale * x) ^ power`. */
  power: { readonly power: number; readonly scale: number; readonly shift: number };
  /** `base ^ (shift + scale * x)`; base -1 stands for e. */
  exp: { readonly base: number; readonly scale: number; readonly shift: number };
  /** `log_base(shift + scale * x)`; base -1 stands for e. */
  log: { readonly base: number; readonly scale: number; readonly shift: number };
  softmax: { readonly axis: number };

  /** x, mean [c], variance [c], and either both or none of gamma [c], beta [c]. */
  batchNorm: { readonly epsilon: number };
  /** x, gamma, beta?: broadcast against x from `axis` on. */
  scale: { readonly axis: number };
  /** x, bias: broadcast against x from `axis` on. */
  bias: { readonly axis: number };
  /** `x / (k + alpha / n * sum(x^2)) ^ beta`, n = size (across) or size^2 (within, zero-padded). */
  lrn: {
    readonly size: number;
    readonly alpha: number;
    readonly beta: number;
    readonly k: number;
    readonly region: "across" | "within";
  };
  /** x, scale [c] or [1]: L2 norm over channels, or over all of c, h, w. `x / sqrt(sum + epsilon)`. */
  normalize: { readonly acrossSpatial: boolean; readonly epsilon: number };

  /** Two or more, broadcast as numpy does. With `coefficients`: `sum(c_i * x_i)`. */
  add: { readonly coefficients?: readonly number[] };
  sub: None;
  mul: None;
  div: None;
  maximum: None;

  concat: { readonly axis: number };
  /** `start <= i < end` along one axis. */
  slice: { readonly axis: number; readonly start: number; readonly end: number };
  /** Axes `axis..endAxis` (inclusive; negative from the end) become one. */
  flatten: { readonly axis: number; readonly endAxis: number };
  /** 0 copies the dimension at that place, -1 takes what is left. */
  reshape: { readonly shape: Shape };
  transpose: { readonly perm: Shape };
  /** Constant padding of the two image axes. */
  pad: { readonly pads: Pads; readonly value: number };
  /**
   * To `size` [h, w], or by `factor` where size is absent. `bilinear` samples at half-pixel centres,
   * or with corners aligned; `nearest` takes `floor(i / factor)`.
   */
  resize: {
    readonly mode: "nearest" | "bilinear";
    readonly alignCorners: boolean;
    readonly size?: Pair;
    readonly factor?: Pair;
  };
  /**
   * Caffe's ArgMax. Without axis: over all but the batch, [n, 1 or 2, topK]; with axis: that axis
   * becomes topK long. Indices as float32.
   */
  argMax: { readonly axis?: number; readonly topK: number; readonly outMaxVal: boolean };
  dropout: { readonly ratio: number };
  identity: None;
  /** Picture bytes uint8 [n, h, w, c] -> float32 [n, c, h, w], values unchanged. */
  imageToTensor: None;

  /** feature map, image: SSD's default boxes [1, 2, boxes * 4]; depends on shapes only. */
  priorBox: {
    readonly minSizes: readonly number[];
    readonly maxSizes: readonly number[];
    readonly aspectRatios: readonly number[];
    readonly flip: boolean;
    readonly clip: boolean;
    readonly variances: readonly number[];
    /** [h, w] of the image; taken from the second input where absent. */
    readonly imageSize?: Pair;
    /** [h, w]; image size / feature size where absent. */
    readonly step?: Pair;
    readonly offset: number;
  };
  /** locations, confidences, priors: [1, 1, found, 7] = image, label, score, xmin, ymin, xmax, ymax. */
  detectionOutput: {
    readonly classes: number;
    readonly shareLocation: boolean;
    readonly backgroundLabel: number;
    readonly nmsThreshold: number;
    readonly nmsTopK: number;
    readonly nmsEta: number;
    readonly keepTopK: number;
    readonly confidenceThreshold: number;
    readonly codeType: "corner" | "centerSize" | "cornerSize";
    readonly varianceEncodedInTarget: boolean;
  };

  /**
   * As conv, with weights and bias that are rounded first: fixed/coefficients.ts defines how.
   * `parameterBits` is the width of a stored magnitude (`bw_params`); with `shiftEnabled` weights and bias
   * lie on the grid of the layer's shift.
   */
  quantConv: ConvAttrs & {
    readonly precision: Precision;
    readonly parameterBits: number;
    readonly shiftEnabled: boolean;
  };
  /**
   * x, cap [c] or [1]. Quantized: `floor(clamp(x, 0, cap) * q / cap + 0.5) * cap / q`, `q = 2^bits - 1`;
   * otherwise `relu` with the slope, and the cap is only kept.
   */
  quantRelu: { readonly slope: number; readonly bits: number; readonly quantized: boolean };

  /** x float, scale float32 [] or [c], zeroPoint (its dtype is the output's): ONNX QuantizeLinear. */
  quantize: { readonly axis: number };
  /** x integer, scale, zeroPoint: `(x - zeroPoint) * scale`: ONNX DequantizeLinear. */
  dequantize: { readonly axis: number };

  /**
   * x integer, weight int8, bias int32, multiplier float32 [out]: exact integer convolution of
   * `x - xZero`, then `output`. docs/numerics.md has the rule.
   */
  intConv: ConvAttrs & { readonly xZero: number; readonly output: IntOutput };
  /** x [n, k] integer, weight int8 [m, k], bias int32 [m], multiplier float32 [m]. */
  intLinear: { readonly xZero: number; readonly output: IntOutput };
  /** x integer: the sum over the window (or all pixels), times `multiplier`, requantized. */
  intAvgPool: {
    readonly window: PoolAttrs | "global";
    readonly xZero: number;
    readonly multiplier: number;
    readonly output: Requantize;
  };
  /** a, b integers: `round(fround(a - aZero)*aMultiplier + fround(b - bZero)*bMultiplier)`. */
  intAdd: {
    readonly zeros: Pair;
    readonly multipliers: Pair;
    readonly output: Requantize;
  };
  /** x integer on one grid -> another grid of integers; also where only clamping is left (ReLU). */
  requantize: { readonly xZero: number; readonly multiplier: number; readonly output: Requantize };

  /**
   * Picture values 0..2^from - 1 (float32 or uint8) to fewer bits: `trunc(x)`, then
   * `min((x + 2^(k - 1)) >> k, 2^to - 1)` with `k = from - to`, in the type of x. 8 to 5 bits: `3 -> 0, 4 -> 1, 255 -> 31`.
   */
  reduceBits: { readonly from: number; readonly to: number };
  /** x float -> integers `clamp(floor(x / step + 0.5), 0, qMax)`: how a host's values enter a chip. */
  toLevels: { readonly step: number; readonly qMax: number };
  /**
   * x integer, weight integer [out, in/groups, kh, kw], bias int32 [out], identity? integer of the output's
   * shape. `acc = sum(x * w) + bias + identity * 2^identityShift`, exact, on a grid of `2^-shift`; then `output`.
   */
  shiftConv: ConvAttrs & {
    /** May be negative: then the accumulator is multiplied. */
    readonly shift: number;
    readonly identityShift: number;
    readonly output: ShiftOutput;
    /** A narrower accumulator than exact: what becomes of a total that does not fit. */
    readonly accumulator?: { readonly bits: number; readonly overflow: "saturate" | "wrap" };
  };
  /** x -> rows and columns `factor` times as many: each pixel top left in its block, zeros around it. */
  zeroInsert: { readonly factor: Pair };

  /**
   * An ONNX operator that the table does not know; ONNX Runtime runs it in float. `""` stands for
   * an omitted optional input. Its outputs are `result` nodes (index 0 too).
   */
  opaque: {
    readonly domain: string;
    readonly opType: string;
    /** Encoded AttributeProto messages, as they stood in the file. */
    readonly attributes: readonly Uint8Array[];
    /** Declared types of the outputs, where the file tells. */
    readonly outputs: readonly (TensorType | undefined)[];
  };
  /** Output `index` of an opaque node. */
  result: { readonly index: number };
};

export type Op = keyof Ops;

export type Node<K extends Op = Op> = {
  [O in K]: {
    readonly op: O;
    /** Unique in its graph; also the name of the value that the node gives. */
    readonly id: string;
    readonly inputs: readonly string[];
    readonly attrs: Ops[O];
  };
}[K];

/** One function per operator; a missing row is a compile error. */
export type OpTable<Args extends readonly unknown[], R> = {
  readonly [O in Op]: (node: Node<O>, ...args: Args) => R;
};

/** Calls the row of the node's operator. */
export function apply<K extends Op, Args extends readonly unknown[], R>(
  table: { readonly [O in K]: (node: Node<O>, ...args: Args) => R },
  node: Node<K>,
  ...args: Args
): R {
  return table[node.op](node, ...args);
}
