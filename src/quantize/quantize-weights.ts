/**
 * Float weights and bias of a layer -> int8 weights, int32 bias and their scales, with bias
 * correction.
 */
import { inputError } from "../error.ts";
import { chooseSymmetric } from "../fixed/choose-scale.ts";
import { numberFormats } from "../fixed/number-format.ts";
import { roundHalfEven, saturate } from "../fixed/rounding.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { QuantizeOptions } from "./options.ts";

export type QuantizedWeights = {
  readonly weight: Tensor<"int8">;
  /** Step of the weights: one per output channel, or a single one. */
  readonly weightScales: Float32Array;
  readonly bias: Tensor<"int32">;
  /** `fround(xScale * weightScale)` per output channel. */
  readonly biasScales: Float32Array;
};

export type FloatWeights = {
  /** [out, ...]. */
  readonly weight: Tensor<"float32">;
  /** [out]. */
  readonly bias: Tensor<"float32"> | undefined;
  readonly xScale: number;
  /** Mean of each input channel (of each input feature, for a fully connected layer). */
  readonly inputMeans: ArrayLike<number> | undefined;
  readonly groups: number;
  readonly node: string;
};

/** Largest bias in accumulator steps: exact in float32, with room for the products. */
const maxBiasSteps = 2 ** 22;

/** Rounds weights to int8 steps (-127..127) and the bias to the accumulator's steps. */
export function quantizeWeights(
  float: FloatWeights,
  options: QuantizeOptions["weights"],
): QuantizedWeights {
  assertFinite(float);
  const channels = float.weight.shape[0] ?? 0;
  const perChannel = channels === 0 ? 0 : float.weight.data.length / channels;
  const scales = weightScales(float, options, channels, perChannel);
  const scaleOf = (channel: number): number => scales[scales.length === 1 ? 0 : channel]!;
  const weight = new Int8Array(float.weight.data.length);
  const bias = new Int32Array(channels);
  const biasScales = new Float32Array(channels);
  for (let channel = 0; channel < channels; channel += 1) {
    const step = scaleOf(channel);
    const end = (channel + 1) * perChannel;
    for (let at = channel * perChannel; at < end; at += 1) {
      weight[at] = saturate(roundHalfEven(float.weight.data[at]! / step), -127, 127);
    }
    const biasStep = Math.fround(float.xScale * step);
    const value = (float.bias?.data[channel] ?? 0) - meanShift(float, weight, step, channel);
    biasScales[channel] = biasStep;
    bias[channel] = saturate(roundHalfEven(value / biasStep), -(2 ** 31) + 1, 2 ** 31 - 1);
  }
  return {
    weight: { dtype: "int8", shape: float.weight.shape, data: weight },
    weightScales: scales,
    bias: { dtype: "int32", shape: [channels], data: bias },
    biasScales,
  };
}

function weightScales(
  { weight, bias, xScale }: FloatWeights,
  options: QuantizeOptions["weights"],
  channels: number,
  perChannel: number,
): Float32Array {
  const magnitude = (start: number, end: number): number => {
    let most = 0;
    for (let at = start; at < end; at += 1) most = Math.max(most, Math.abs(weight.data[at]!));
    return most;
  };
  // A channel whose weights all but vanish takes its step from the bias, which must stay in range.
  const forBias = (channel: number): number =>
    (Math.abs(bias?.data[channel] ?? 0) / xScale / maxBiasSteps) * numberFormats.int8.qMax;
  const limits = Array.from({ length: channels }, (_, channel) =>
    Math.max(magnitude(channel * perChannel, (channel + 1) * perChannel), forBias(channel)),
  );
  const shared = options.unit === "tensor" ? [Math.max(0, ...limits)] : limits;
  return Float32Array.from(
    shared,
    (limit) => chooseSymmetric(limit, numberFormats.int8, { powerOfTwo: options.powerOfTwo }).scale,
  );
}

/**
 * Mean of `sum((w_quantized - w) * x)` over one output channel: what rounding the weights adds to
 * the layer's mean output (Nagel et al., data-free quantization, section 4.2), by the input means.
 */
function meanShift(
  { weight, inputMeans, groups }: FloatWeights,
  rounded: Int8Array,
  step: number,
  channel: number,
): number {
  if (inputMeans === undefined) return 0;
  const [channels = 1, inputs = 1, ...kernel] = weight.shape;
  const taps = kernel.reduce((a, b) => a * b, 1);
  const firstInput = Math.floor(channel / (channels / groups)) * inputs;
  let shift = 0;
  for (let input = 0; input < inputs; input += 1) {
    const start = (channel * inputs + input) * taps;
    let error = 0;
    for (let at = start; at < start + taps; at += 1)
      error += rounded[at]! * step - weight.data[at]!;
    shift += error * (inputMeans[firstInput + input] ?? 0);
  }
  return shift;
}

function assertFinite({ weight, bias, node }: FloatWeights): void {
  for (const [name, value] of [
    ["weight", weight],
    ["bias", bias],
  ] as const) {
    const at = value?.data.findIndex((element) => !Number.isFinite(element)) ?? -1;
    if (value === undefined || at < 0) continue;
    throw inputError(`a ${name} is not a finite number`, {
      node,
      got: `${value.data[at]} at element ${at}`,
      hint: "The training may have diverged; use a snapshot from before",
    });
  }
}
