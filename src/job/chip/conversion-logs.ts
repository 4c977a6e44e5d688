/**
 * log.txt and conversion.log of a converted network, and the warnings that its layers deserve.
 */
import { conversionLogText, drowned, type LogLayer, logText } from "../../chips/gti/files/log.ts";
import type { Layout } from "../../chips/gti/layout.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";
import { unitOf } from "../../chips/gti/program/units.ts";
import { maxMagnitude } from "../../fixed/layer-shift.ts";
import type { OnWarning } from "../../notice.ts";

export type LogOptions = {
  /** When the work began, in UTC: `2024-05-01 12:00:00`. */
  readonly started: string;
  /** The command as typed. */
  readonly commands: readonly string[];
  readonly layout: Layout | undefined;
};

/** In the order of the network; maxima are those that are stored. */
export function logLayers({ layers, grids, mapping }: ChipProgram): readonly LogLayer[] {
  return mapping.chip.convolutions.flatMap(({ conv, activation }) => {
    const layer = layers.get(conv);
    if (layer === undefined) return [];
    const { name, coefficientBits, parameterBits, biasBits, shift } = layer;
    const maxWeight = maxMagnitude(layer.weight);
    const maxBias = maxMagnitude(layer.bias);
    const cap = grids.get(activation)?.cap;
    return [{ name, coefficientBits, parameterBits, biasBits, shift, maxWeight, maxBias, cap }];
  });
}

/** What 1.0 of the chip's last value stands for. */
export function scaleFactor({ grids, mapping }: ChipProgram): number {
  const grid = grids.get(mapping.chip.convolutions.at(-1)?.activation ?? "");
  return grid === undefined ? 1 : unitOf(grid);
}

/** Both files; log.txt only where there are major layers. */
export function logFiles(
  program: ChipProgram,
  { started, commands, layout }: LogOptions,
): readonly (readonly [string, Uint8Array])[] {
  const layers = logLayers(program);
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const conversion = conversionLogText({ layers, scaleFactor: scaleFactor(program) });
  const { chipType } = program.target;
  const about = { chipType, started, commands, layers, addresses: undefined };
  return [
    ...(layout === undefined ? [] : [["log.txt", encode(logText({ ...about, layout }))] as const]),
    ["conversion.log", encode(conversion)],
  ];
}

/** Layers whose weights drown their bias, or the other way round. */
export function warnAboutDrowned(program: ChipProgram, onWarning: OnWarning | undefined): void {
  for (const layer of logLayers(program)) {
    const message = drowned(layer);
    if (message !== undefined) onWarning?.({ id: "drowned", message, where: `"${layer.name}"` });
  }
}
