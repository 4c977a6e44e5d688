/**
 * Gain editing of a converted network whose caps are not the chip's: layers that were rounded, brought to the chip's
 * units and rounded again. mdk/edit-gain-on-grid.ts has the gains.
 */

import type { ChipMapping } from "../../chips/gti/map/mapping.ts";
import {
  type EditedLayer,
  type EditedLayers,
  editGainOnGrid,
  type GridGainOptions,
} from "../../chips/gti/mdk/edit-gain-on-grid.ts";
import type { ProgramLayer } from "../../chips/gti/program/convert.ts";
import { usageError, workError } from "../../error.ts";
import { coefficientIntegers } from "../../fixed/coefficients.ts";
import type { MaskedPrecision } from "../../fixed/kernel-levels.ts";
import { splitMagnitudes } from "../../fixed/kernel-magnitudes.ts";
import { roundAllToGrid, roundByHalf } from "../../fixed/layer-shift.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";

export type EditedProgram = Omit<EditedLayers, "layers"> & {
  readonly layers: ReadonlyMap<string, ProgramLayer>;
  /** The chip's cap of each activation, by id. */
  readonly chipCaps: ReadonlyMap<string, number>;
};

export type EditOptions = Omit<GridGainOptions, "parameterBits"> & {
  /** Real caps by the activation's id. */
  readonly caps: ReadonlyMap<string, number>;
};

/**
 * The layers of a chain in the chip's units. A kernel keeps its mask: its magnitude alone is scaled and rounded. With
 * `likeMdk` each weight is rounded by itself, as the kit does, which may break masks of 3 and 5 bits.
 */
export function editedProgram(
  mapping: ChipMapping,
  layers: ReadonlyMap<string, ProgramLayer>,
  target: LayeredTarget,
  options: EditOptions,
): EditedProgram {
  const { convolutions } = mapping.chip;
  const projected = convolutions.find(({ shortcut }) => shortcut?.projection !== undefined);
  if (projected !== undefined) {
    throw usageError("gains cannot be edited where a shortcut has a convolution of its own", {
      node: `"${projected.shortcut?.projection}"`,
    });
  }
  const rounded = convolutions.map(({ conv, activation }) => {
    const layer = layers.get(conv);
    if (layer === undefined) throw workError("a convolution was not rounded", { node: conv });
    const { name, weight, bias } = layer;
    return { layer, grid: { name, weight, bias, cap: options.caps.get(activation) ?? 0 } };
  });
  const parameterBits = target.parameterBits === 8 ? 8 : 12;
  const edited = editGainOnGrid(
    rounded.map(({ grid }) => grid),
    { ...options, parameterBits },
  );
  const again = edited.layers.map((one, at) => {
    const before = rounded[at]?.layer;
    if (before === undefined) throw workError("layers were lost", { node: one.name });
    return [one.name, roundedAgain(before, one, target, options.likeMdk)] as const;
  });
  const caps = convolutions.map(({ activation }, at) => {
    return [activation, edited.layers[at]?.cap ?? 0] as const;
  });
  const { scaleFactor, biasRatio } = edited;
  return { layers: new Map(again), chipCaps: new Map(caps), scaleFactor, biasRatio };
}

function roundedAgain(
  before: ProgramLayer,
  { weight, bias, shift, gain }: EditedLayer,
  target: LayeredTarget,
  likeMdk: boolean,
): ProgramLayer {
  const masked = likeMdk ? undefined : scaledKernels(before, gain.weight, shift, target);
  const maximum = (values: Float32Array): number =>
    values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return {
    ...before,
    weight: masked ?? roundAllToGrid(weight, shift),
    bias: roundAllToGrid(bias ?? new Float32Array(before.shape[0]), shift),
    shift,
    maxWeight: maximum(weight),
    maxBias: maximum(bias ?? new Float32Array()),
  };
}

/** Levels as they were, magnitudes scaled; undefined for weights without a mask. */
function scaledKernels(
  { weight, shape, shift: from, coefficientBits }: ProgramLayer,
  gain: number,
  shift: number,
  { weightModes }: LayeredTarget,
): Float32Array | undefined {
  const precision = weightModes.find(({ bits }) => bits === coefficientBits)?.precision;
  if (precision === undefined || precision === "dynamic" || precision === "float") return undefined;
  const taps = shape[2] * shape[3];
  const integers = coefficientIntegers(weight, from);
  const kernels = splitMagnitudes(integers, taps, precision satisfies MaskedPrecision);
  if (kernels === undefined) return undefined;
  const { magnitudes, levels } = kernels;
  const scale = Math.fround(gain) * 2 ** (shift - from);
  return Float32Array.from(levels, (level, at) => {
    const magnitude = roundByHalf((magnitudes[Math.floor(at / taps)] ?? 0) * scale);
    return (level * magnitude) / 2 ** shift;
  });
}
