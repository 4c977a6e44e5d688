/**
 * The report of a conversion from its results.
 */
import type { ChipProgram } from "../chips/gti/program/program.ts";
import type { OnWarning } from "../notice.ts";
import {
  type AccumulatorNeed,
  accumulatorNeeds,
  mayOverflow,
} from "../passes/accumulator-bounds.ts";
import type { ChannelCopies } from "../passes/copy-channels.ts";
import type { ConvertLayer, ConvertReport } from "../report/convert.ts";
import type { ChipFiles } from "./chip/chip-files.ts";
import { logLayers, scaleFactor } from "./chip/conversion-logs.ts";

type About = Pick<
  ConvertReport,
  | ("model" | "source" | "out" | "files" | "modelFile" | "image" | "waived")
  | ("editGain" | "labels" | "warnings")
> & { readonly accumulatorBits: number; readonly copies?: ChannelCopies };

export function convertReport(
  program: ChipProgram,
  made: ChipFiles,
  { accumulatorBits, copies = new Map(), ...about }: About,
): ConvertReport {
  const needs = new Map(accumulatorNeeds(program.integer).map((need) => [need.id, need]));
  const layers = convertLayersOf(program, made, needs, copies);
  const chips = Math.max(1, made.networks.chips.length);
  const { fullModel, why } = made.header;
  const widths = [...needs.values()].map(({ totalBits }) => totalBits);
  const { model, source, out, files, modelFile, image, waived, editGain, labels, warnings } = about;
  return {
    schema: "inlay.convert/1",
    ...{ model, source },
    target: program.target.name,
    ...{ out, files, modelFile, image },
    deployable: waived.length === 0,
    ...{ waived, chips, layers, editGain },
    scaleFactor: scaleFactor(program),
    hostOperations: fullModel.layers
      .map(({ operation }) => operation)
      .filter((operation) => operation !== "IMAGEREADER" && operation !== "GTICNN"),
    ownOperation: why ?? null,
    labels,
    accumulator: {
      bits: accumulatorBits,
      needed: widths.length === 0 ? null : Math.max(...widths),
    },
    calibration: null,
    accuracy: null,
    bitMatch: null,
    warnings,
  };
}

function convertLayersOf(
  program: ChipProgram,
  { images, networks }: ChipFiles,
  needs: ReadonlyMap<string, AccumulatorNeed>,
  copies: ChannelCopies,
): readonly ConvertLayer[] {
  const logs = new Map(logLayers(program).map((layer) => [layer.name, layer]));
  const activations = new Map(
    program.mapping.chip.convolutions.map(({ conv, activation }) => [conv, activation]),
  );
  return images.flatMap(({ convs }, chip) => {
    const places = (networks.chips[chip]?.layers ?? []).flatMap(({ sublayer_number: n }, major) =>
      Array.from({ length: n }, (_, at) => ({ major: major + 1, sublayer: at + 1 })),
    );
    return convs.flatMap((conv, at): readonly ConvertLayer[] => {
      const layer = logs.get(conv);
      if (layer === undefined) return [];
      const need = needs.get(activations.get(conv) ?? "");
      const { name, coefficientBits, shift, maxWeight, maxBias, cap = 0 } = layer;
      return [
        {
          ...{ name, chip: chip + 1 },
          ...(places[at] ?? { major: null, sublayer: null }),
          ...{ coefficientBits, shift, maxWeight, maxBias, cap },
          copies: copies.get(conv) ?? 1,
          accumulatorBits: need?.totalBits ?? null,
        },
      ];
    });
  });
}

/** Layers whose sums an accumulator of this width may not hold. */
export function warnAboutAccumulators(
  program: ChipProgram,
  bits: number,
  onWarning: OnWarning,
): void {
  for (const need of accumulatorNeeds(program.integer)) {
    const { total, partial } = mayOverflow(need, bits);
    if (!total && !partial) continue;
    const message = total
      ? `the largest sum needs ${need.totalBits} bits, the accumulator has ${bits}: it may overflow`
      : `sums on the way need ${need.partialBits} bits, the accumulator has ${bits}: one that saturates may lose them`;
    onWarning({ id: "accumulator", message, where: `"${need.id}"` });
  }
}
