/**
 * Gain editing (cap equalisation): a convolution's parameters in the chip's units, so that every cap becomes the
 * chip's own. `W' = W * unit_in / unit_out`, `b' = b / unit_out`; what an input's offset adds goes into the bias.
 */
import { float32, type Tensor } from "../../../tensor/tensor.ts";

export type ConvParameters = {
  /** [out, in / groups, kh, kw]. */
  readonly weight: Tensor<"float32">;
  /** [out]. */
  readonly bias: Float32Array;
};

export type Gain = {
  /** Real size of 1.0 of the chip's input: one for all channels, or one per channel. */
  readonly inputUnits: readonly number[];
  /** Real value of input 0, per channel as `inputUnits`; for pictures with a mean. */
  readonly inputOffsets: readonly number[];
  /** Real size of 1.0 of the output. */
  readonly outputUnit: number;
  readonly groups: number;
  /**
   * The edited weights as the layer rounds them, where that moves them far: what an input's offset adds is then added by
   * these. (The float network multiplies its offset by float weights, the chip's by rounded ones: of 1 bit, the difference
   * is larger than the sum.)
   */
  readonly rounded?: ((weight: Float32Array) => Float32Array) | undefined;
};

/**
 * Parameters in the chip's units, in double and rounded once. With an offset the border of a padded layer changes:
 * the chip pads with level 0, which then stands for the offset and not for 0.
 *
 * W 0.5, b 0.2, cap 6 before and 3 behind, both 31 on the chip: `W' = 0.5 * (6 / 31) / (3 / 31) = 1`, `b' = 0.2 * 31 / 3`.
 */
export function editGain({ weight, bias }: ConvParameters, gain: Gain): ConvParameters {
  const [outputs = 1, inputsPerGroup = 1, kh = 1, kw = 1] = weight.shape;
  const taps = kh * kw;
  const perOutput = inputsPerGroup * taps;
  const outputsPerGroup = outputs / gain.groups;
  /** Input channel of a weight, by its index. */
  const channelOf = (index: number): number => {
    const group = Math.floor(Math.floor(index / perOutput) / outputsPerGroup);
    return group * inputsPerGroup + Math.floor((index % perOutput) / taps);
  };
  const unit = (index: number): number => of(gain.inputUnits, channelOf(index));
  const offset = (index: number): number => of(gain.inputOffsets, channelOf(index));
  const edited = weight.data.map((w, index) => (w * unit(index)) / gain.outputUnit);
  const sums = Float64Array.from({ length: outputs }, (_, output) => bias[output] ?? 0);
  const hasOffset = gain.inputOffsets.some((value) => value !== 0);
  if (hasOffset) {
    const rounded = gain.rounded?.(edited);
    for (const [index, w] of weight.data.entries()) {
      const own =
        rounded === undefined ? w : ((rounded[index] ?? 0) * gain.outputUnit) / unit(index);
      const output = Math.floor(index / perOutput);
      sums[output] = (sums[output] ?? 0) + own * offset(index);
    }
  }
  const biases = Float32Array.from(sums, (sum) => sum / gain.outputUnit);
  return { weight: float32(weight.shape, edited), bias: biases };
}

/** One for all channels, or one each. */
function of(values: readonly number[], channel: number): number {
  return values[values.length === 1 ? 0 : channel] ?? 0;
}
