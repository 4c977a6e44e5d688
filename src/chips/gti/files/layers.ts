/**
 * Layers as the chip's files hold them: numbers without a graph around them.
 */
import { inputError } from "../../../error.ts";
import type { Nchw } from "../../../tensor/shape.ts";
import { elementCount, formatShape } from "../../../tensor/shape.ts";

/** A convolution on the chip. Its values lie on the grid `2^-shift` already. */
export type ChipLayer = {
  readonly name: string;
  /** [out, in / groups, kh, kw]. */
  readonly shape: Nchw;
  readonly weight: Float32Array;
  /** [out]. */
  readonly bias: Float32Array;
  readonly shift: number;
};

/** A fully connected layer on the host. */
export type FcLayer = {
  readonly name: string;
  readonly outputs: number;
  readonly inputs: number;
  /** Row by row: [outputs][inputs]. */
  readonly weight: Float32Array;
  /** [outputs]. */
  readonly bias: Float32Array;
};

/** Values of a layer by their counts, for files that do not say them. */
export type LayerSizes = { readonly weights: number; readonly biases: number };

export function chipLayerSizes({ name, shape, weight, bias }: ChipLayer): LayerSizes {
  const sizes = { weights: elementCount(shape), biases: shape[0] };
  checkSizes(name, formatShape(shape), sizes, weight, bias);
  return sizes;
}

export function fcLayerSizes({ name, outputs, inputs, weight, bias }: FcLayer): LayerSizes {
  const sizes = { weights: elementCount([outputs, inputs]), biases: outputs };
  checkSizes(name, `${outputs}x${inputs}`, sizes, weight, bias);
  return sizes;
}

function checkSizes(
  node: string,
  shape: string,
  sizes: LayerSizes,
  weight: Float32Array,
  bias: Float32Array,
): void {
  if (weight.length === sizes.weights && bias.length === sizes.biases) return;
  throw inputError("the layer's values do not fit its shape", {
    node,
    expected: `${shape}: ${sizes.weights} weights and ${sizes.biases} biases`,
    got: `${weight.length} and ${bias.length}`,
  });
}
