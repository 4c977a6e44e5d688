/**
 * Files of a conversion that hold the chip's coefficients as numbers: filter.txt and bias.txt, cnn.param and
 * fxp_shift_bits.txt.
 */
import { coefficientText } from "../../chips/gti/files/coefficients-text.ts";
import { encodeCnnParam, shiftsText } from "../../chips/gti/files/params.ts";
import type { ProgramLayer } from "../../chips/gti/program/convert.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";

/** The layers of these convolutions, in order. */
export function layersOf(
  { layers }: ChipProgram,
  convs: readonly string[],
): readonly ProgramLayer[] {
  return convs.flatMap((conv) => layers.get(conv) ?? []);
}

/** The texts of filter.txt and bias.txt of some layers, made while they are read: 24 bytes for each weight. */
export function coefficientTexts(layers: readonly ProgramLayer[]): {
  readonly filter: Iterable<Uint8Array>;
  readonly bias: Iterable<Uint8Array>;
} {
  const text = (values: readonly Float32Array[]): Iterable<Uint8Array> => ({
    [Symbol.iterator]: () => coefficientText(values),
  });
  return {
    filter: text(layers.map(({ weight }) => weight)),
    bias: text(layers.map(({ bias }) => bias)),
  };
}

/** cnn.param and fxp_shift_bits.txt. */
export function parameterFiles(
  layers: readonly ProgramLayer[],
): readonly (readonly [string, Uint8Array])[] {
  const shifts = shiftsText(layers.map(({ shift }) => shift));
  return [
    ["cnn.param", encodeCnnParam(layers)],
    ["fxp_shift_bits.txt", new TextEncoder().encode(shifts)],
  ];
}
