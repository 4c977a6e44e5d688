/**
 * The chip images of a converted network, one per chip, with what a simulation has to know of each.
 */
import { encodeChipImage } from "../../chips/gti/files/image.ts";
import { levelSource } from "../../chips/gti/map/cap-groups.ts";
import type { NetworkJson } from "../../chips/gti/network-json.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";
import { levelsPerUnit } from "../../chips/gti/program/units.ts";
import { isMeanImage, type Preprocess } from "../../data/preprocess.ts";
import { usageError } from "../../error.ts";
import {
  type ChipMeta,
  imageMeta,
  type MetaOutput,
  type MetaPreprocess,
  type MetaSublayer,
} from "./chip-meta.ts";
import { sublayerCount } from "./chip-networks.ts";
import { type ChipPiece, chipPieces } from "./chip-pieces.ts";

export type ImageOptions = {
  readonly name: string;
  readonly preprocess: Preprocess;
  readonly waived: readonly string[];
  /** Of each chip; none where the network has no major layers. */
  readonly networks: readonly NetworkJson[];
};

export type ChipImage = {
  /** The chip's bytes, as IMAGE.md says. */
  readonly bytes: Uint8Array;
  /** The convolutions of its sublayers, in order. */
  readonly convs: readonly string[];
};

/** One image per chip, in order. */
export function chipImages(program: ChipProgram, options: ImageOptions): readonly ChipImage[] {
  const { integer, mapping } = program;
  const counts =
    options.networks.length === 0
      ? [mapping.chip.convolutions.length]
      : options.networks.map(sublayerCount);
  return chipPieces(integer, mapping, counts).map((piece, at) => ({
    bytes: encodeChipImage(piece.graph, imageMeta(metaOf(program, piece, at, options))),
    convs: piece.convolutions.map(({ conv }) => conv),
  }));
}

function metaOf(
  program: ChipProgram,
  piece: ChipPiece,
  at: number,
  { name, preprocess, waived, networks }: ImageOptions,
): ChipMeta {
  return {
    chipType: program.target.chipType,
    network: name,
    chip: at + 1,
    chips: Math.max(1, networks.length),
    entry: at > 0 ? "chip" : program.entry.kind,
    sublayers: sublayersOf(program, piece, networks[at]),
    outputs: outputsOf(program, piece),
    preprocess: carriedPreprocess(program, preprocess),
    waived,
  };
}

function sublayersOf(
  { layers, grids }: ChipProgram,
  { convolutions }: ChipPiece,
  network: NetworkJson | undefined,
): readonly MetaSublayer[] {
  const places = (network?.layers ?? []).flatMap(({ sublayer_number: count }, major) =>
    Array.from({ length: count }, (_, sublayer) => ({ major: major + 1, sublayer: sublayer + 1 })),
  );
  return convolutions.map(({ conv, activation, bits }, index) => ({
    conv,
    output: activation,
    ...(places[index] ?? { major: 0, sublayer: 0 }),
    coefficientBits: bits,
    shift: layers.get(conv)?.shift ?? 0,
    cap: grids.get(activation)?.cap ?? 0,
  }));
}

/** What the host takes from this chip. */
function outputsOf({ mapping, grids }: ChipProgram, { graph }: ChipPiece): readonly MetaOutput[] {
  const given = new Set(graph.nodes.map(({ id }) => id));
  const source = levelSource(mapping);
  return mapping.chip.outputs
    .filter((id) => given.has(id) && graph.outputs.some((output) => output.id === id))
    .map((id) => {
      const grid = grids.get(source(id));
      return { id, levelsPerUnit: grid === undefined ? 1 : levelsPerUnit(grid) };
    });
}

/** Where pictures enter the chip it takes them as bytes: mean and scale are in its first layer. */
function carriedPreprocess({ entry }: ChipProgram, preprocess: Preprocess): MetaPreprocess {
  const { mean, ...rest } = preprocess;
  if (entry.kind === "picture") return { ...rest, mean: [0], scale: 1, std: [1] };
  if (!isMeanImage(mean)) return { ...rest, mean };
  throw usageError("a mean image has no place in a model file", {
    got: mean.file,
    hint: "Give the mean per channel",
  });
}
