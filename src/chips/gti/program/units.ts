/**
 * What the numbers on the chip stand for. A value on the chip is an integer level; `unit` is the real size of 1.0 of
 * the chip's own arithmetic, in which weights and biases are written, and one level is `1 / levelsPerUnit` of that.
 */

/** How an activation is stored. */
export type ActivationGrid = {
  /** Real value of the cap: what the largest level stands for. */
  readonly cap: number;
  readonly bits: 5 | 10;
  /** The cap in the chip's own units: 31, 1023, or 31.96875 for ten bits behind 5-bit layers. */
  readonly chipCap: number;
};

/** Largest level: 31 or 1023. */
export function largestLevel({ bits }: Pick<ActivationGrid, "bits">): number {
  return 2 ** bits - 1;
}

/** Levels in 1.0 of the chip's units: 32 for ten bits up to 31.96875, else 1. */
export function levelsPerUnit(grid: ActivationGrid): number {
  return Math.round(largestLevel(grid) / grid.chipCap);
}

/** Real value of 1.0 in the chip's units. */
export function unitOf({ cap, chipCap }: ActivationGrid): number {
  return cap / chipCap;
}

/** The grid of an activation: 5 bits everywhere, 10 bits everywhere, or 10 bits in the last layer alone. */
export function activationGrid(cap: number, mode: 0 | 1 | 2, isLast: boolean): ActivationGrid {
  if (mode === 2) return { cap, bits: 10, chipCap: 1023 };
  if (mode === 1 && isLast) return { cap, bits: 10, chipCap: 1023 / 32 };
  return { cap, bits: 5, chipCap: 31 };
}

/**
 * What a chip input stands for, per channel: `real = step * level + offset`. A picture's level of 5 bits stands for 8
 * grey levels; `(8 * level - mean) * scale / std` is the network's own input.
 */
export type InputUnits = {
  readonly step: readonly number[];
  readonly offset: readonly number[];
};

/** Units of a picture of which `from` bits became `to`: a level is `2^(from - to)` grey levels. */
export function pictureUnits(
  { from, to }: { readonly from: number; readonly to: number },
  { mean, scale, std }: PixelScaling,
): InputUnits {
  const perLevel = 2 ** (from - to);
  const factors = mean.map((_, channel) => scale / (std[channel] ?? 1));
  return {
    step: factors.map((factor) => perLevel * factor),
    offset: mean.map((value, channel) => -value * (factors[channel] ?? 1)),
  };
}

/** `(pixel - mean) * scale / std`, mean and std per channel. */
export type PixelScaling = {
  readonly mean: readonly number[];
  readonly scale: number;
  readonly std: readonly number[];
};
