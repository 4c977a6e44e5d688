/**
 * Weight and bias of one convolution, as the training tools' formulas take them: flat float32, `inputs` kernels of
 * `taps` weights for each output.
 */
import { inputError } from "../../../error.ts";

export type LayerParameters = {
  /** [outputs, inputs per group, taps]. */
  readonly weight: Float32Array;
  /** [outputs]. */
  readonly bias: Float32Array;
};

/** Weights of one output. Throws unless they divide evenly. */
export function weightsPerOutput({ weight, bias }: LayerParameters, node: string): number {
  const size = weight.length / bias.length;
  if (Number.isInteger(size) && size > 0) return size;
  throw inputError("weights do not divide into outputs", {
    node,
    expected: `a multiple of ${bias.length} weights`,
    got: `${weight.length}`,
  });
}
