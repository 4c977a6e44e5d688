/**
 * The words that configure the chip's major layers, as far as their layout is known: three of the five words per
 * layer. What is not known stays 0 and is named.
 */
import { usageError } from "../../../error.ts";
import type { CoefficientBits } from "../../../target/layered-target.ts";
import type { MajorLayer } from "../layout.ts";

/** Where a major layer reads and writes in the chip's memory: multiples of 256. */
export type Addresses = { readonly input: number; readonly output: number };

export type RegisterWords = {
  /** Unsigned, 32 bits each. */
  readonly words: readonly [w0: number, w1: number, w2: number];
  /** Fields whose value nobody knows, left at 0. */
  readonly unknown: readonly string[];
};

/** Bits 30..31 of w1; the other widths were never seen. */
const modeBits: Partial<Record<CoefficientBits, number>> = { 1: 3, 3: 1 };
/** A nibble each: the first in w1, eight in w2. */
const knownShifts = 9;
const channelGroup = 4;
const addressUnit = 256;

/**
 * - w0: bits 0..9 image size, 10..20 input channels / 4, 21..29 output channels / 4, 30 pooling.
 * - w1: bits 0..3 shift of the first sublayer, 4..7 sublayers, 16..26 input address / 256, 27..29 output
 *   address / 256, 30..31 weights (1: three bits, 3: one bit).
 * - w2: bits 4k..4k + 3 shift of sublayer k + 2.
 *
 * Channels that are no multiple of 4 are rounded up. Throws where a number does not fit its field.
 */
export function registerWords(
  major: MajorLayer,
  shifts: readonly number[],
  addresses: Addresses | undefined,
): RegisterWords {
  if (shifts.length !== major.sublayers.length) {
    throw usageError("a major layer needs a shift per sublayer", {
      expected: `${major.sublayers.length}`,
      got: `${shifts.length}`,
    });
  }
  const mode = modeBits[major.coefficientBits];
  const unknown = [
    ...(mode === undefined ? [`w1 bits 30-31: weights of ${major.coefficientBits} bits`] : []),
    ...(addresses === undefined ? ["w1 bits 16-29: addresses"] : []),
    ...(shifts.length > knownShifts ? [`shifts of sublayers beyond ${knownShifts}`] : []),
  ];
  return {
    words: [firstWord(major), secondWord(shifts, mode, addresses), thirdWord(shifts)],
    unknown,
  };
}

function firstWord(major: MajorLayer): number {
  const groups = (channels: number): number => Math.ceil(channels / channelGroup);
  return (
    field("image size", major.imageSize, 0, 10) +
    field("input channels / 4", groups(major.inputChannels), 10, 11) +
    field("output channels / 4", groups(major.outputChannels), 21, 9) +
    field("pooling", major.pooling === undefined ? 0 : 1, 30, 1)
  );
}

function secondWord(
  shifts: readonly number[],
  mode: number | undefined,
  addresses: Addresses | undefined,
): number {
  return (
    field("shift of sublayer 1", shifts[0] ?? 0, 0, 4) +
    field("sublayers", shifts.length, 4, 4) +
    field("input address / 256", (addresses?.input ?? 0) / addressUnit, 16, 11) +
    field("output address / 256", (addresses?.output ?? 0) / addressUnit, 27, 3) +
    field("weights", mode ?? 0, 30, 2)
  );
}

function thirdWord(shifts: readonly number[]): number {
  return shifts
    .slice(1, knownShifts)
    .reduce(
      (word, shift, index) => word + field(`shift of sublayer ${index + 2}`, shift, 4 * index, 4),
      0,
    );
}

/** Not shifted with `<<`, which would make bit 31 a sign. */
function field(name: string, value: number, from: number, bits: number): number {
  if (Number.isInteger(value) && value >= 0 && value < 2 ** bits) return value * 2 ** from;
  throw usageError(`the register field "${name}" cannot hold the value`, {
    expected: `0..${2 ** bits - 1}`,
    got: `${value}`,
  });
}
