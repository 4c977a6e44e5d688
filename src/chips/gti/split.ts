/**
 * The vendor's split of a network JSON over several chips: fixed cuts by model and number of chips. Our own
 * plan, from the memories of the chips, is in cascade.ts.
 */
import { inputError } from "../../error.ts";
import type { NetworkJson, NetworkLayer } from "./network-json.ts";
import { sublayersOf } from "./network-sublayers.ts";

/** Major layers (from 1) after which a chip ends, by `ModelType` and number of chips. */
const vendorCuts: Readonly<Record<string, ReadonlyMap<number, readonly number[]>>> = {
  resnet50: new Map([
    [2, [7]],
    [3, [5, 7]],
    [4, [5, 6, 7]],
  ]),
  resnet110: new Map([
    [4, [7, 9, 13]],
    [5, [7, 9, 11, 13]],
    [6, [5, 7, 9, 11, 13]],
    [7, [5, 6, 7, 9, 11, 13]],
    [8, [5, 6, 7, 8, 9, 11, 13]],
    [9, [5, 6, 7, 8, 9, 10, 11, 13]],
    [10, [5, 6, 7, 8, 9, 10, 11, 12, 13]],
  ]),
};

/** The vendor's cuts of the model; undefined where it has none for that number of chips. */
export function vendorCutsOf({ model }: NetworkJson): readonly number[] | undefined {
  const chips = model.ChipNumber ?? 1;
  if (chips === 1) return [];
  const name = model.ModelType ?? "";
  return Object.hasOwn(vendorCuts, name) ? vendorCuts[name]?.get(chips) : undefined;
}

/** Major layers of a chip of the vendor's splitter; a seventh is merged into the sixth. */
const maxMajors = 6;
const maxMergedSublayers = 12;

/**
 * The network JSON of each chip, numbered from 1 again, the last one with `SamplingMethod` 1; one chip is the
 * network itself. A short network leaves last chips without layers, as in the vendor's. Input errors: no cuts
 * for this model and number, and seven major layers whose last two cannot be merged.
 */
export function splitNetwork(network: NetworkJson): readonly NetworkJson[] {
  const cuts = neededCuts(network);
  if (cuts.length === 0) return [network];
  return pieces(network.layers, cuts).map((layers, at) =>
    chipNetwork(network, layers, at, at === cuts.length),
  );
}

/** First line of each chip in the text files of all weights and all biases. */
export type SplitLines = { readonly filter: readonly number[]; readonly bias: readonly number[] };

/**
 * Where each chip's part starts in filter.txt and bias.txt, in lines: a number per weight and per bias, no
 * padding. 3 -> 8 in two 3x3 sublayers: 3*8*9 + 8*8*9 = 792 weights, 16 biases.
 */
export function splitLines(network: NetworkJson): SplitLines {
  const parts = pieces(network.layers, neededCuts(network));
  return {
    filter: starts(parts.map((layers) => sum(layers.map(filterLines)))),
    bias: starts(parts.map((layers) => sum(layers.map(biasLines)))),
  };
}

function neededCuts(network: NetworkJson): readonly number[] {
  const cuts = vendorCutsOf(network);
  if (cuts !== undefined) return cuts;
  const { ModelType: type, ChipNumber: chips } = network.model;
  const known = Object.hasOwn(vendorCuts, type ?? "") ? vendorCuts[type ?? ""] : undefined;
  throw inputError(
    `the vendor's split has no cuts of model ${type ?? "(none)"} for ${chips} chips`,
    {
      where: `${network.name}: model[0]`,
      expected:
        known === undefined
          ? `ModelType ${Object.keys(vendorCuts).join(" or ")}`
          : `ChipNumber 1, ${[...known.keys()].join(", ")}`,
      got: known === undefined ? `ModelType ${type ?? "absent"}` : `ChipNumber ${chips}`,
      hint: "A cascade planned from the memories has no such limits",
    },
  );
}

/** `[a, b, c, d]` cut after 1 and 3: `[a]`, `[b, c]`, `[d]`. */
function pieces<T>(items: readonly T[], cuts: readonly number[]): readonly (readonly T[])[] {
  const bounds = [0, ...cuts, items.length];
  return bounds.slice(1).map((to, at) => items.slice(bounds[at], to));
}

function chipNetwork(
  network: NetworkJson,
  layers: readonly NetworkLayer[],
  at: number,
  isLast: boolean,
): NetworkJson {
  const merged = layers.length === maxMajors + 1 ? mergedEnd(network.name, layers) : layers;
  return {
    name: `net_chip${at + 1}.json`,
    model: {
      ...network.model,
      ChipNumber: 1,
      MajorLayerNumber: merged.length,
      ...(isLast ? { SamplingMethod: 1 } : {}),
    },
    layers: merged.map((layer, index) => ({ ...layer, major_layer: index + 1 })),
  };
}

/** The last two as one. */
function mergedEnd(name: string, layers: readonly NetworkLayer[]): readonly NetworkLayer[] {
  const [first, second] = layers.slice(-2);
  if (first === undefined || second === undefined) return layers;
  const count = first.sublayer_number + second.sublayer_number;
  if (count > maxMergedSublayers || first.pooling === true || second.upsample_enable === true) {
    throw inputError("a chip has seven major layers, and the last two cannot be merged", {
      where: name,
      expected: `no pooling between them, and at most ${maxMergedSublayers} sublayers together`,
      got: `${count} sublayers`,
    });
  }
  const shortcuts = [
    ...shortcutsOf(first),
    ...shortcutsOf(second).map((start) => start + first.sublayer_number),
  ];
  const merged: NetworkLayer = {
    ...first,
    ...(second.pooling === true ? { pooling: true } : {}),
    sublayer_number: count,
    ...(first.scaling === undefined
      ? {}
      : { scaling: [...first.scaling, ...(second.scaling ?? [])] }),
    ...(shortcuts.length === 0 ? {} : { resnet_shortcut_start_layers: shortcuts }),
  };
  return [...layers.slice(0, -2), merged];
}

/** Null and an absent key both mean none. */
function shortcutsOf({ resnet_shortcut_start_layers: starts }: NetworkLayer): readonly number[] {
  return starts ?? [];
}

/** Weights of a major layer: nine per pair of channels, one per pair for 1x1, nine per channel for depthwise. */
function filterLines(layer: NetworkLayer): number {
  const lines = sublayersOf(layer).map(({ kind, inputChannels, outputChannels }) => {
    if (kind === "depthwise") return 9 * outputChannels;
    return (kind === "pointwise" ? 1 : 9) * inputChannels * outputChannels;
  });
  return sum(lines);
}

function biasLines(layer: NetworkLayer): number {
  return sum(sublayersOf(layer).map(({ outputChannels }) => outputChannels));
}

function starts(counts: readonly number[]): readonly number[] {
  return counts.map((_, at) => sum(counts.slice(0, at)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
