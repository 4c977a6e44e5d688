/**
 * Gain editing in the converter (`--edit_gain=true`), for networks that the refining script never saw: after the weights
 * were put on the grid of their shift, and with shifts chosen again. Off by default there.
 */
import { inputError, usageError } from "../../../error.ts";
import { largestMagnitude, maxMagnitude } from "../../../fixed/layer-shift.ts";
import { applyGain, chipTops, type Gain, gainOf, type Scaling } from "./gains.ts";
import type { LayerParameters } from "./layer-parameters.ts";

export type GridLayer = Omit<LayerParameters, "bias"> & {
  readonly name: string;
  /** On the grid of the layer's shift, as `resliceCoefficients` gives them. */
  readonly bias: Float32Array | undefined;
  /** Of the activation behind the convolution, real. */
  readonly cap: number;
};

export type GridGainOptions = {
  /** The converter's option: the network was trained on pictures of 0..255 times this. */
  readonly inputScale: number;
  /** Bits of a stored magnitude: 12 on the 2801 and 2803, 8 on the 5801. */
  readonly parameterBits: 8 | 12;
  readonly shiftMax: number;
  /** 1: ten bits in the last layer; 2: everywhere; 0: nowhere. */
  readonly activationBitMode: 0 | 1 | 2;
  /**
   * The kit's script: 255 stands at the chip's 31 (and not 248, though a level is 8 grey levels), every cap becomes 31
   * whatever the activation bits, shifts have no lower limit.
   */
  readonly likeMdk: boolean;
};

export type EditedLayer = GridLayer & {
  /** The cap before, and on the chip (`cap` of the layer is the chip's). */
  readonly alpha: number;
  readonly gain: Gain;
  /** The maximum that chose the shift: of weights, and of biases over `biasRatio`. */
  readonly largest: number;
  readonly shift: number;
};

export type EditedLayers = {
  readonly layers: readonly EditedLayer[];
  /** What the host multiplies the chip's output by. */
  readonly scaleFactor: number;
  /** `2^(20 - parameterBits)`: how much further a bias reaches than a weight. */
  readonly biasRatio: number;
};

/** What the chip's largest input level, 31, stands for: a level is 8 grey levels. */
const greyLevels = 8 * 31;

/**
 * The layers in the chip's units, in network order; each reads the one before it, the first the picture. Values leave the
 * grid: they are to be rounded again at `shift`. Throws where a cap is not above 0.
 *
 * 12 bits, weights up to 0.5, cap 2.5, input scale 1: gain `248 / 2.5 = 99.2`, so the largest is 49.6 and the shift
 * `floor(log2(2047 / 49.6)) = 5`.
 */
export function editGainOnGrid(
  layers: readonly GridLayer[],
  options: GridGainOptions,
): EditedLayers {
  const { inputScale, parameterBits } = options;
  if (!(inputScale > 0 && inputScale < Infinity)) {
    throw usageError("the input scale must be above 0", { got: `${inputScale}` });
  }
  const biasRatio = 2 ** (20 - parameterBits);
  const edited: EditedLayer[] = [];
  const grey = options.likeMdk ? 255 : greyLevels;
  let input: Scaling = { range: grey * inputScale, top: chipTops.five };
  for (const [index, layer] of layers.entries()) {
    const output = { range: checkedCap(layer), top: topOf(options, index === layers.length - 1) };
    edited.push(edit(layer, gainOf(input, output), output.top, biasRatio, options));
    input = output;
  }
  return { layers: edited, scaleFactor: input.range / input.top, biasRatio };
}

function topOf({ activationBitMode, likeMdk }: GridGainOptions, isLast: boolean): number {
  if (likeMdk || activationBitMode === 0) return chipTops.five;
  if (activationBitMode === 2) return chipTops.ten;
  return isLast ? chipTops.tenLast : chipTops.five;
}

function checkedCap({ name, cap }: GridLayer): number {
  if (cap > 0 && cap < Infinity) return cap;
  throw inputError("the cap of an activation must be above 0", {
    node: `the activation of "${name}"`,
    got: `${cap}`,
    hint: "Calibrate the network first",
  });
}

function edit(
  layer: GridLayer,
  gain: Gain,
  top: number,
  biasRatio: number,
  options: GridGainOptions,
): EditedLayer {
  const weight = applyGain(layer.weight, gain.weight);
  const bias = layer.bias && applyGain(layer.bias, gain.bias);
  const maxBias = bias === undefined ? 0 : maxMagnitude(bias);
  const largest = Math.max(maxMagnitude(weight), maxBias / biasRatio);
  const shift = shiftFor(largest, options);
  return { ...layer, weight, bias, cap: top, alpha: layer.cap, gain, largest, shift };
}

/** `min(floor(log2(n / largest)), shiftMax)`, and not below 0 but in the kit. All zeros take the largest shift. */
function shiftFor(largest: number, { parameterBits, shiftMax, likeMdk }: GridGainOptions): number {
  if (largest === 0) return shiftMax;
  const steps = largestMagnitude(parameterBits) / largest;
  const guess = Math.floor(Math.log2(steps));
  // The engine's logarithm may err by its last digit beside a power of two.
  const exact = 2 ** guess > steps ? guess - 1 : 2 ** (guess + 1) <= steps ? guess + 1 : guess;
  return Math.min(likeMdk ? exact : Math.max(exact, 0), shiftMax);
}
