/**
 * How many copies of its channels a chip has room for.
 */
import { copyPhases } from "../chips/gti/program/phases.ts";
import { usageError } from "../error.ts";
import { constantOf, type Graph, nodeMap } from "../ir/graph.ts";
import { silent } from "../notice.ts";
import { type ChannelCopies, copyChannels, copyGroups } from "../passes/copy-channels.ts";
import type { LayeredTarget, Violation } from "../target/layered-target.ts";
import { violationsOf } from "./check-findings.ts";
import { chooseMapping } from "./chip-choices.ts";
import { copyCounts } from "./copy-counts.ts";
import type { ChipOptions } from "./options.ts";
import { refuseFewBits } from "./refuse-few-bits.ts";

/**
 * From the first major layer on, where pictures are large and channels few: as many copies as fit, `most` at most. A choice
 * is kept only if as much of the network stays on the chip, and no rule is broken that was not, or further than it was.
 * Throws a usage error where there are no major layers, or weights of few bits.
 */
export function chooseCopies(
  float: Graph,
  target: LayeredTarget,
  asked: ChipOptions,
  most: number,
): ChannelCopies {
  if (!copyCounts.includes(most)) {
    throw usageError("the copies of channels must be a power of two", {
      expected: copyCounts.join(", "),
      got: `${most}`,
    });
  }
  if (most === 1) return new Map();
  const { mapping, choices } = chooseMapping(float, target, asked, undefined, silent);
  const { layout, noLayout } = mapping;
  if (layout === undefined) {
    throw usageError("copies of channels need a network that the chip can hold", {
      got: noLayout,
      hint: "Waived rules tell nothing about the room that is left",
    });
  }
  // A share of a weight needs a finer grid, and that of few bits is the bias's, which stays as large as it is.
  refuseFewBits(
    mapping.chip.convolutions,
    "copies of channels need weights of 8 or 12 bits in all layers",
  );
  // Not what would fit best with copies: fewer bits are no gain.
  const bits = mapping.chip.convolutions[0]?.bits;
  const rules = { waive: new Set(asked.waive), chips: choices.chips };
  const room: Room = {
    ...{ float, target, asked: { ...asked, bits }, rules },
    convolutions: mapping.chip.convolutions.length,
    known: new Set(violationsOf(mapping, layout, target, rules).map(keyOf)),
  };
  const groups = copyGroups(float);
  let copies: ChannelCopies = new Map();
  for (const { sublayers } of layout.majors) {
    const convs = new Set(sublayers.map(({ conv }) => conv));
    const free = groups.filter((group) => group.some((id) => convs.has(id) && !copies.has(id)));
    copies = mostThatFit(copies, free.flat(), most, room);
  }
  return copies;
}

/**
 * The options with one number for the bits. A list may count major layers, which copies can part; and no chip has both
 * 8 and 12 bits, so where copies are made all are the same.
 */
export function evenly(asked: ChipOptions): ChipOptions {
  const [bits] = [asked.bits ?? []].flat();
  return bits === undefined ? asked : { ...asked, bits };
}

type Room = {
  readonly float: Graph;
  readonly target: LayeredTarget;
  readonly asked: ChipOptions;
  readonly rules: Parameters<typeof violationsOf>[3];
  /** On the chip without copies. */
  readonly convolutions: number;
  /** What is broken without copies. */
  readonly known: ReadonlySet<string>;
};

/** The copies with as many of these convolutions as fit; as they were where not even two do. */
function mostThatFit(
  copies: ChannelCopies,
  convs: readonly string[],
  most: number,
  room: Room,
): ChannelCopies {
  if (convs.length === 0) return copies;
  for (const count of copyCounts.filter((one) => one > 1 && one <= most).toReversed()) {
    const wider = new Map([...copies, ...convs.map((id): [string, number] => [id, count])]);
    if (isHeld(wider, room)) return wider;
  }
  return copies;
}

function isHeld(copies: ChannelCopies, room: Room): boolean {
  const { float, target, asked, rules, convolutions, known } = room;
  const wide = copyChannels(float, copies);
  const { mapping } = chooseMapping(wide, target, asked, undefined, silent);
  if (mapping.chip.convolutions.length !== convolutions || mapping.layout === undefined)
    return false;
  return violationsOf(mapping, mapping.layout, target, rules).every((one) => known.has(keyOf(one)));
}

/** What is waived must not get worse either, so the figure counts. */
function keyOf({ rule, node, found }: Violation): string {
  return `${rule} ${node} ${found}`;
}

/** The rounding offset of each channel of the convolutions that were copied, by id. */
export function phasesOf(wide: Graph, copies: ChannelCopies): ReadonlyMap<string, Float64Array> {
  const nodes = nodeMap(wide);
  return new Map(
    [...copies].map(([id, count]) => {
      const [channels = 0] = constantOf(nodes.get(nodes.get(id)?.inputs[1] ?? ""))?.shape ?? [];
      return [id, copyPhases(channels, count)];
    }),
  );
}
