/**
 * A float network on a layered chip: brought to chip form, divided between chip and host, laid in major layers.
 */
import type { Graph } from "../../../ir/graph.ts";
import type { LayeredTarget, Violation } from "../../../target/layered-target.ts";
import type { Layout } from "../layout.ts";
import { chipForm } from "./chip-form.ts";
import { type BitsOf, coefficientBitsOf } from "./coefficient-bits.ts";
import { hostNodes, violationsOf, widthViolations } from "./host-reasons.ts";
import { layoutOf, type MajorOptions, runsOf } from "./majors.ts";
import type { ChipConvolution, ChipMapping, MapOptions } from "./mapping.ts";
import { padChannels } from "./pad-channels.ts";
import { type Judged, type Partition, partition } from "./partition.ts";
import { copyTappedPools, isTapped, nodeIds, withoutTappedPool } from "./taps.ts";
import type { ConvUnit, Unit } from "./units.ts";
import { type View, viewOf } from "./view.ts";

/**
 * Puts as much of a canonical float network on the chip as its rules allow: one chain of steps, most often from
 * the picture on. The float function of the graph stays. Throws a usage error where a list of bits does not fit.
 */
export function mapToChip(
  graph: Graph,
  chipTarget: LayeredTarget,
  options: MapOptions,
): ChipMapping {
  const target = withWidth(chipTarget, options);
  const { view, chain, judged, violations } = divided(graph, target, options);
  const chip = nodeIds(chain);
  const convs = chain.filter((unit): unit is ConvUnit => unit.form === "conv");
  const noLayout = whyNoLayout(chain, judged);
  const { bitsOf, layout } = arranged(chain, convs, noLayout, { view, target, options });
  const convolutions = convs.map((unit) => convolutionOf(unit, bitsOf, target));
  const outputs = chain.filter(({ output }) => isTapped(output, chip, view));
  const widths = layout === undefined ? widthViolations(target, convolutions, options) : [];
  return {
    graph: view.graph,
    chip: {
      inputs: chain.slice(0, 1).map(({ input }) => input),
      nodes: view.graph.nodes.filter(({ id }) => chip.has(id)).map(({ id }) => id),
      outputs: outputs.map(({ output }) => output),
      convolutions,
    },
    layout,
    noLayout,
    violations: [...violations, ...widths],
    host: hostNodes(view, judged, chip),
  };
}

/** The target as 10-bit activations leave it: with half the channels. */
function withWidth(target: LayeredTarget, { activationBits = 5 }: MapOptions): LayeredTarget {
  return activationBits === 10 ? { ...target, maxChannels: target.maxChannels / 2 } : target;
}

/** The chain of the network as it will be; what the rules say is about all layers as the chip would have them. */
type Divided = Partition & { readonly view: View; readonly violations: readonly Violation[] };

/**
 * The division, first of the network with all strides sampled, then of the one where only the chip's are, channels
 * padded and pooled values copied for the host where that is asked or needed. The chain stays the same.
 */
function divided(graph: Graph, target: LayeredTarget, options: MapOptions): Divided {
  const whole = viewOf(chipForm(graph));
  const { chain, judged } = cutOf(whole, target, options);
  const chip = nodeIds(chain);
  const again = (one: Graph): readonly Unit[] => cutOf(viewOf(one), target, options, chip).chain;
  const violations = violationsOf(whole, judged, chip, options.waive);
  const form = chipForm(graph, chip);
  const padded = options.padChannels ? padChannels(form, again(form), target) : form;
  const final = copyTappedPools(padded, again(padded));
  return { chain: again(final), judged, view: viewOf(final), violations };
}

/** The partition without a last pooling that the chip cannot give. */
function cutOf(
  view: View,
  target: LayeredTarget,
  { waive, padChannels: pad = false, lastTenBits }: MapOptions,
  only?: ReadonlySet<string>,
): Partition {
  const { chain, judged } = partition(view, target, { waive, padChannels: pad, only });
  const kept = withoutTappedPool(chain, view);
  const isBare = lastTenBits === true && kept.at(-1)?.form === "pool";
  return { chain: isBare ? kept.slice(0, -1) : kept, judged };
}

type Setting = {
  readonly view: View;
  readonly target: LayeredTarget;
  readonly options: MapOptions;
};

/** Bits of the convolutions, and the layout where there is one. */
function arranged(
  chain: readonly Unit[],
  convs: readonly ConvUnit[],
  noLayout: string | undefined,
  { view, target, options }: Setting,
): { readonly bitsOf: BitsOf; readonly layout: Layout | undefined } {
  const given = options.coefficientBits;
  if (noLayout !== undefined) {
    return { bitsOf: coefficientBitsOf(given, convs, undefined), layout: undefined };
  }
  const chip = nodeIds(chain);
  const plain: MajorOptions = {
    target,
    bitsOf: () => undefined,
    isTapped: (id) => isTapped(id, chip, view),
    lastAlone: options.lastTenBits ?? false,
  };
  const bitsOf = coefficientBitsOf(given, convs, runsOf(chain, view, plain));
  const settled = { ...plain, bitsOf };
  const runs = runsOf(chain, view, settled);
  const activationBitMode = options.activationBits === 10 ? 2 : options.lastTenBits ? 1 : 0;
  return { bitsOf, layout: layoutOf(runs, view, { ...settled, activationBitMode }) };
}

/** The steps of the chain that no major layer can hold. */
function whyNoLayout(chain: readonly Unit[], judged: readonly Judged[]): string | undefined {
  if (chain.length === 0) return "no layer runs on the chip";
  const onChip = new Set(chain.map(({ output }) => output));
  const free = judged
    .filter(({ unit }) => onChip.has(unit.output))
    .flatMap(({ problems }) => problems.filter(({ waiver }) => waiver === "free"));
  if (free.length === 0) return undefined;
  const named = free.slice(0, 5).map(({ rule, node, found }) => `${node} (${rule}: ${found})`);
  const more = free.length > named.length ? ` and ${free.length - named.length} more` : "";
  return `major layers cannot hold ${named.join(", ")}${more}`;
}

function convolutionOf(unit: ConvUnit, bitsOf: BitsOf, target: LayeredTarget): ChipConvolution {
  const { conv, input, activation, shortcut } = unit;
  return {
    conv: conv.id,
    input,
    activation: activation.id,
    shortcut: shortcut && {
      add: shortcut.add.id,
      start: shortcut.start,
      projection: shortcut.projection?.id,
    },
    bits: bitsOf(conv.id) ?? target.weightModes[0]?.bits ?? 1,
  };
}
