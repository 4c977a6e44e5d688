/**
 * What of a network goes on a chip of major layers, with the choices that the user leaves open: from the network JSON
 * where there is one, else the most bits that fit.
 */
import { findCascade } from "../chips/gti/cascade.ts";
import { followCuts } from "../chips/gti/follow-cuts.ts";
import type { Layout } from "../chips/gti/layout.ts";
import { mapToChip } from "../chips/gti/map/map-to-chip.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { slotsOfMajors } from "../chips/gti/memory.ts";
import type { NetworkJson } from "../chips/gti/network-json.ts";
import { layoutOfJson } from "../chips/gti/network-layout.ts";
import { InlayError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import type { OnWarning } from "../notice.ts";
import type { CoefficientBits, LayeredTarget } from "../target/layered-target.ts";
import type { ChipOptions } from "./options.ts";

/** All choices made. */
export type ChipChoices = {
  readonly activationBits: 5 | 10;
  readonly lastTenBits: boolean;
  readonly chips: number;
  readonly bitsFrom: "command" | "network JSON" | "default";
  /** The bits, and why these. */
  readonly bitsNote: string;
};

type ChosenMapping = {
  /** Its layout has the major layers of the network JSON, where that can be. */
  readonly mapping: ChipMapping;
  readonly choices: ChipChoices;
};

type Bits = CoefficientBits | readonly CoefficientBits[];

/**
 * The mapping of a canonical float network. A usage error where a list of bits does not fit the network; where rules
 * keep layers off the chip that may be why, so then it is a warning and the list's first number counts.
 */
export function chooseMapping(
  graph: Graph,
  target: LayeredTarget,
  asked: ChipOptions,
  network: NetworkJson | undefined,
  onWarning: OnWarning,
): ChosenMapping {
  const json = network && layoutOfJson(network);
  const settings = settingsOf(asked, network, json);
  const options = { ...settings, waive: new Set(asked.waive) };
  const map = (bits: Bits): ChipMapping =>
    mapToChip(graph, target, { ...options, coefficientBits: bits });
  const wanted = asked.bits ?? json?.majors[0]?.coefficientBits;
  if (wanted === undefined) return withDefaultBits(map(modesOf(target)[0] ?? 1), target, settings);
  const first = map(firstOf(wanted));
  const bits = asked.bits ?? (json === undefined ? wanted : bitsOfJson(json, first));
  const mapping = cutAs(withBits(map, bits, first, onWarning), json);
  if (asked.bits !== undefined) {
    const bitsNote = `${bitsText(bits)}, as asked`;
    return { mapping, choices: { ...settings, bitsFrom: "command", bitsNote } };
  }
  const said = json?.majors.map(({ coefficientBits }) => coefficientBits) ?? [];
  const bitsNote = `${bitsText(said)}, as the network JSON says`;
  return { mapping, choices: { ...settings, bitsFrom: "network JSON", bitsNote } };
}

type Settings = Pick<ChipChoices, "activationBits" | "lastTenBits" | "chips">;

function settingsOf(
  { activationBits, lastTenBits, chips }: ChipOptions,
  network: NetworkJson | undefined,
  json: Layout | undefined,
): Settings {
  return {
    activationBits: activationBits ?? (json?.activationBitMode === 2 ? 10 : 5),
    lastTenBits: lastTenBits ?? json?.activationBitMode === 1,
    chips: chips ?? Math.max(1, network?.model.ChipNumber ?? 1),
  };
}

function withDefaultBits(
  mapping: ChipMapping,
  target: LayeredTarget,
  settings: Settings,
): ChosenMapping {
  const { bits, why } = mostThatFit(mapping.layout, target, settings.chips);
  const bitsNote = `${bitsText(bits)}, ${why}`;
  return {
    mapping: ofWidth(mapping, bits),
    choices: { ...settings, bitsFrom: "default", bitsNote },
  };
}

/** `3, 3, 3, 1, 1 bits`; `12 bits` for a list of the same. */
function bitsText(bits: Bits): string {
  const all = [bits].flat();
  const same = new Set(all).size === 1;
  if (same && all[0] === 1) return "1 bit";
  return `${same ? all[0] : all.join(", ")} bits`;
}

function firstOf(bits: Bits): CoefficientBits {
  return [bits].flat()[0] ?? 1;
}

/** Bits of the target's modes, most first. */
function modesOf({ weightModes }: LayeredTarget): readonly CoefficientBits[] {
  return weightModes.map(({ bits }) => bits).toSorted((a, b) => b - a);
}

/**
 * Bits that the file says, for each convolution or each major layer, whichever it has as many of; its first number
 * where it has neither: what differs is found by comparing the layouts.
 */
function bitsOfJson({ majors }: Layout, { chip, layout }: ChipMapping): Bits {
  const perMajor = majors.map(({ coefficientBits }) => coefficientBits);
  const perSublayer = majors.flatMap(({ sublayers, coefficientBits }) =>
    sublayers.map(() => coefficientBits),
  );
  const [only, ...others] = [...new Set(perMajor)];
  if (only !== undefined && others.length === 0) return only;
  if (perSublayer.length === chip.convolutions.length) return perSublayer;
  return perMajor.length === layout?.majors.length ? perMajor : firstOf(perMajor);
}

function withBits(
  map: (bits: Bits) => ChipMapping,
  bits: Bits,
  first: ChipMapping,
  onWarning: OnWarning,
): ChipMapping {
  if (typeof bits === "number") return first;
  try {
    return map(bits);
  } catch (error) {
    const isUsage = error instanceof InlayError && error.fields.kind === "usage";
    if (!isUsage || first.violations.every(({ waived }) => waived)) throw error;
    onWarning({ id: "coefficient-bits", message: `${error.message}; the first counts for all` });
    return first;
  }
}

/** The mapping with the major layers that the file has, where nothing forbids them. */
function cutAs(mapping: ChipMapping, json: Layout | undefined): ChipMapping {
  if (json === undefined || mapping.layout === undefined) return mapping;
  const counts = json.majors.map(({ sublayers }) => sublayers.length);
  return { ...mapping, layout: followCuts(mapping.layout, counts) };
}

/** The most bits with which the weights fit, and that they are; the fewest where none fit. */
function mostThatFit(
  layout: Layout | undefined,
  target: LayeredTarget,
  chips: number,
): { readonly bits: CoefficientBits; readonly why: string } {
  const modes = modesOf(target);
  const [most = 1, fewest = 1] = [modes[0], modes.at(-1)];
  if (layout === undefined) return { bits: most, why: "the most that the chip has" };
  const place = chips === 1 ? "the weight memory" : `the weight memories of ${chips} chips`;
  const bits = modes.find((one) => fits(layoutOfWidth(layout, one), target, chips));
  if (bits !== undefined) return { bits, why: `the most that fit ${place}` };
  return { bits: fewest, why: `the fewest that the chip has, and too many for ${place}` };
}

function fits(layout: Layout, target: LayeredTarget, chips: number): boolean {
  if (chips === 1) return slotsOfMajors(layout.majors, target) < target.weightSlots.value;
  return "chips" in findCascade(layout, target, { chips });
}

function layoutOfWidth(layout: Layout, bits: CoefficientBits): Layout {
  return { ...layout, majors: layout.majors.map((one) => ({ ...one, coefficientBits: bits })) };
}

function ofWidth(mapping: ChipMapping, bits: CoefficientBits): ChipMapping {
  const convolutions = mapping.chip.convolutions.map((one) => ({ ...one, bits }));
  return {
    ...mapping,
    chip: { ...mapping.chip, convolutions },
    layout: mapping.layout && layoutOfWidth(mapping.layout, bits),
  };
}
