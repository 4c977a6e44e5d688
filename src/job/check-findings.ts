/**
 * What a mapped network breaks of a chip's rules, and the plan over several chips: the layers' own violations and those
 * of the layout together, each once.
 */
import { type CascadePlan, findCascade } from "../chips/gti/cascade.ts";
import { checkLayout } from "../chips/gti/check-layout.ts";
import { chipBreaches } from "../chips/gti/chip-limits.ts";
import { compareLayouts, type LayoutDifference } from "../chips/gti/compare-layouts.ts";
import type { Layout } from "../chips/gti/layout.ts";
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import type { NetworkJson } from "../chips/gti/network-json.ts";
import { layoutOfJson } from "../chips/gti/network-layout.ts";
import type { LayeredTarget, RuleName, Violation } from "../target/layered-target.ts";

/** All violations of layers, then those of the layout, the memories and the cascade. */
export function violationsOf(
  mapping: ChipMapping,
  layout: Layout | undefined,
  target: LayeredTarget,
  options: { readonly waive: ReadonlySet<RuleName>; readonly chips: number },
): readonly Violation[] {
  const own = mapping.violations;
  // That nothing is on the chip is a rule of its own only where no other says why.
  const isSilent = mapping.chip.nodes.length === 0 && own.every(({ waived }) => waived);
  const checked = layout ?? (isSilent ? { majors: [], activationBitMode: 0 as const } : undefined);
  if (checked === undefined) return own;
  const ofLayout = checkLayout(checked, target, options);
  return [...own, ...ofLayout.filter((one) => !isTold(one, own, checked))];
}

/** True where the same rule is waived for a layer of the major layer, or of the chip that is meant. */
function isTold({ rule, node }: Violation, own: readonly Violation[], layout: Layout): boolean {
  const at = Number(/^major layer (\d+)$/.exec(node)?.[1] ?? 0);
  const sublayers = layout.majors[at - 1]?.sublayers ?? [];
  const names = new Set(sublayers.flatMap(({ conv, output }) => [conv, output]));
  return own.some((one) => one.waived && one.rule === rule && (at === 0 || names.has(one.node)));
}

/** The layout with the outputs that the file asks for: they are the user's choice. */
export function withOutputs(layout: Layout, json: Layout | undefined): Layout {
  if (json === undefined || json.majors.length !== layout.majors.length) return layout;
  const majors = layout.majors.map((major, at) => {
    const { learning = false, lastLayerOut = false } = json.majors[at] ?? {};
    return { ...major, learning, lastLayerOut: lastLayerOut || (major.lastLayerOut && !learning) };
  });
  return { ...layout, majors };
}

/** Where the file contradicts the network, its chip and the number of chips that are asked for. */
export function differencesOf(
  network: NetworkJson,
  layout: Layout,
  target: LayeredTarget,
  chips: number,
): readonly LayoutDifference[] {
  const { ChipType: type, ChipNumber: count = 1 } = network.model;
  const ofModel = (key: string, json: number, graph: number): readonly LayoutDifference[] =>
    json === graph ? [] : [{ major: undefined, key, json: `${json}`, graph: `${graph}` }];
  return [
    ...ofModel("ChipType", type, target.chipType),
    ...ofModel("ChipNumber", count, chips),
    ...compareLayouts(layoutOfJson(network), layout),
  ];
}

export type CascadeFinding = {
  readonly plan: CascadePlan | undefined;
  /** Why there is none as asked. */
  readonly why: string | undefined;
};

/** The plan for several chips, or for as many as it takes where one is too small; nothing where one will do. */
export function cascadeOf(layout: Layout, target: LayeredTarget, chips: number): CascadeFinding {
  if (layout.majors.length === 0) return { plan: undefined, why: undefined };
  if (chips === 1 && chipBreaches(layout.majors, target).length === 0) {
    return { plan: undefined, why: undefined };
  }
  const found = findCascade(layout, target, chips === 1 ? {} : { chips });
  if ("chips" in found) return { plan: found, why: undefined };
  const why = `${found.where}: ${found.found}, where the chip has ${found.limit}`;
  const other = chips === 1 ? found : findCascade(layout, target, {});
  return { plan: "chips" in other ? other : undefined, why };
}
