/**
 * The network JSON of a converted network: of the whole, with the shifts, and of each chip of a cascade.
 */
import { planCascade } from "../../chips/gti/cascade.ts";
import type { Layout } from "../../chips/gti/layout.ts";
import { type NetworkJson, withShifts } from "../../chips/gti/network-json.ts";
import { networkOf } from "../../chips/gti/network-layout.ts";
import type { ChipProgram } from "../../chips/gti/program/program.ts";
import { splitNetwork, vendorCutsOf } from "../../chips/gti/split.ts";
import { InlayError, inputError } from "../../error.ts";

export type ChipNetworks = {
  /** As the converter starts from it; undefined where no file can say the network as a whole. */
  readonly template: NetworkJson | undefined;
  /** With the shifts. */
  readonly whole: NetworkJson | undefined;
  /** One per chip, with the shifts; empty where the network has no major layers. */
  readonly chips: readonly NetworkJson[];
};

export type NetworkOptions = {
  /** The user's own file, checked against the network. */
  readonly network?: NetworkJson | undefined;
  /** Chips in a row. */
  readonly chips: number;
  /** With the outputs that are asked for; undefined where waived rules leave none. */
  readonly layout: Layout | undefined;
};

/**
 * The files' contents. A cascade is cut as the vendor cuts the models that its splitter knows, else where the memories
 * of the chips ask for it. Input errors: no such cascade, a network whose kinds of pooling no file can say.
 */
export function chipNetworks(
  program: ChipProgram,
  { network, chips, layout }: NetworkOptions,
): ChipNetworks {
  if (layout === undefined) return { template: undefined, whole: undefined, chips: [] };
  const shifts = shiftsOf(program, layout);
  const template = network ?? wholeOf(program, layout, chips);
  const whole = template && withShifts(template, shifts);
  if (chips === 1) return { template, whole, chips: whole === undefined ? [] : [whole] };
  const named = whole !== undefined && whole.model.ModelType !== undefined;
  const asVendor = named && vendorCutsOf(whole) !== undefined;
  const own = asVendor ? splitNetwork(whole) : planned(program, layout, chips);
  const empty = own.findIndex(({ layers }) => layers.length === 0);
  if (empty < 0) return { template, whole, chips: own };
  throw inputError("a chip of the cascade has no layers", {
    where: whole?.name,
    got: `chip ${empty + 1} of ${chips}`,
    hint: "Use fewer chips",
  });
}

/** Without a file of the user's: undefined where it takes several chips to say all kinds of pooling. */
function wholeOf(program: ChipProgram, layout: Layout, chips: number): NetworkJson | undefined {
  try {
    return networkOf(layout, program.target, chips === 1 ? {} : { ChipNumber: chips });
  } catch (error) {
    if (error instanceof InlayError && chips > 1) return undefined;
    throw error;
  }
}

function planned(program: ChipProgram, layout: Layout, chips: number): readonly NetworkJson[] {
  const plan = planCascade(layout, program.target, { chips });
  return plan.chips.map((chip, at) => ({
    ...withShifts(networkOf(chip.layout, program.target), shiftsOf(program, chip.layout)),
    name: `net_chip${at + 1}.json`,
  }));
}

/** The shift of each sublayer, in order. */
function shiftsOf({ layers }: ChipProgram, { majors }: Layout): readonly number[] {
  return majors.flatMap(({ sublayers }) =>
    sublayers.map(({ conv }) => layers.get(conv)?.shift ?? 0),
  );
}

/** Sublayers of one chip. */
export function sublayerCount({ layers }: NetworkJson): number {
  return layers.reduce((sum, layer) => sum + layer.sublayer_number, 0);
}
