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
  const at = (values: readonly number[], channel: number): number =>
    values[values.length === 1 ? 0 : channel] ?? 0;
  const edited = new Float32Array(weight.data.length);
  const biases = new Float32Array(outputs);
  for (let output = 0; output < outputs; output += 1) {
    const firstInput = Math.floor(output / outputsPerGroup) * inputsPerGroup;
    let sum = bias[output] ?? 0;
    for (let index = 0; index < perOutput; index += 1) {
      const channel = firstInput + Math.floor(index / taps);
      const w = weight.data[output * perOutput + index] ?? 0;
      edited[output * perOutput + index] = (w * at(gain.inputUnits, channel)) / gain.outputUnit;
      sum += w * at(gain.inputOffsets, channel);
    }
    biases[output] = sum / gain.outputUnit;
  }
  return { weight: float32(weight.shape, edited), bias: biases };
}
