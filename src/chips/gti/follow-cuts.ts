/**
 * A layout cut into the major layers that a network JSON has: where one may end is a choice as long as nothing
 * forces it. It moves cuts and changes nothing else.
 */
import { majorsBetween, type Point } from "./cascade-piece.ts";
import type { Layout, MajorLayer } from "./layout.ts";

/**
 * The layout with `counts[i]` sublayers in major layer i. The same layout where that cannot be: another sum, a cut
 * inside a shortcut, or a pooling, an output or another width where none is cut.
 * `14: 256>256 x10` with counts [4, 6] gives `14: 256>256 x4`, `14: 256>256 x6`.
 */
export function followCuts(layout: Layout, counts: readonly number[]): Layout {
  const own = layout.majors.map(({ sublayers }) => sublayers.length);
  const isSame = own.length === counts.length && own.every((count, at) => count === counts[at]);
  if (isSame || sum(own) !== sum(counts)) return layout;
  const ends = counts.map((_, at) => pointAt(sum(counts.slice(0, at + 1)), own));
  const majors = ends.flatMap((end, at) => {
    const start = ends[at - 1] ?? { major: 0, sublayer: 0 };
    return joined(majorsBetween(layout, start, end)) ?? [];
  });
  if (majors.length !== counts.length) return layout;
  const shortcuts = (all: readonly MajorLayer[]): number =>
    sum(all.map(({ shortcutStarts }) => shortcutStarts.length));
  if (shortcuts(majors) !== shortcuts(layout.majors)) return layout;
  const isWide = layout.activationBitMode === 2;
  return { ...layout, majors: majors.map((one) => (isWide ? { ...one, tenBits: true } : one)) };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The place before sublayer `index` of all sublayers, counted from 0. */
function pointAt(index: number, counts: readonly number[]): Point {
  let rest = index;
  for (const [major, count] of counts.entries()) {
    if (rest < count) return { major, sublayer: rest };
    rest -= count;
  }
  return { major: counts.length, sublayer: 0 };
}

/** Parts of several major layers as one; undefined where something ends between them. */
function joined([first, ...others]: readonly MajorLayer[]): MajorLayer | undefined {
  return others.reduce<MajorLayer | undefined>(
    (before, next) =>
      before !== undefined && joins(before, next) ? join(before, next) : undefined,
    first,
  );
}

function joins(first: MajorLayer, second: MajorLayer): boolean {
  const endsPlainly =
    first.pooling === undefined && !first.lastLayerOut && second.upsampling === undefined;
  const kinds = new Set([...first.sublayers, ...second.sublayers].map(({ kind }) => kind));
  return (
    endsPlainly &&
    first.coefficientBits === second.coefficientBits &&
    first.tenBits === second.tenBits &&
    !(kinds.has("depthwise") && kinds.has("full")) &&
    keepsChannels(first, second)
  );
}

/** One count of output channels in both; a single depthwise sublayer may lead with the count of its input. */
function keepsChannels(first: MajorLayer, second: MajorLayer): boolean {
  if (first.outputChannels === second.outputChannels) return true;
  const [lead, ...rest] = first.sublayers;
  return (
    lead?.kind === "depthwise" && rest.length === 0 && second.sublayers[0]?.kind === "pointwise"
  );
}

function join(first: MajorLayer, second: MajorLayer): MajorLayer {
  const offset = first.sublayers.length;
  return {
    ...second,
    imageSize: first.imageSize,
    inputChannels: first.inputChannels,
    upsampling: first.upsampling,
    sublayers: [...first.sublayers, ...second.sublayers],
    shortcutStarts: [
      ...first.shortcutStarts,
      ...second.shortcutStarts.map((start) => start + offset),
    ],
  };
}
