/**
 * Where a network can be cut between two chips, and the major layers of what lies between two cuts.
 */
import type { LayeredTarget } from "../../target/layered-target.ts";
import { chipBreaches } from "./chip-limits.ts";
import {
  convolvedSize,
  type Layout,
  type MajorLayer,
  outputSize,
  type Sublayer,
} from "./layout.ts";

/** A place between two sublayers: in front of sublayer `sublayer` of major layer `major`, both counted from 0. */
export type Point = { readonly major: number; readonly sublayer: number };

/** The mode in which a chip hands its map on takes no smaller ones. */
const smallestMap = 14;

/**
 * The start, every place where a chip can end, and the end. A chip hands on 5-bit maps of 14 rows or more, and
 * nothing else: so it cannot end inside a shortcut, behind 10-bit layers, or behind a major layer with outputs
 * of its own.
 */
export function cutPoints({ majors, activationBitMode }: Layout): readonly Point[] {
  const start: Point = { major: 0, sublayer: 0 };
  const end: Point = { major: majors.length, sublayer: 0 };
  if (activationBitMode === 2) return [start, end];
  const output = majors.findIndex(({ learning, lastLayerOut }) => learning || lastLayerOut);
  const points = majors.slice(0, output < 0 ? majors.length : output + 1).flatMap((major, at) => {
    const isEnd = at === majors.length - 1 || at === output || !canEndChip(major);
    return [...insidePoints(major, at), ...(isEnd ? [] : [{ major: at + 1, sublayer: 0 }])];
  });
  return [start, ...points, end];
}

function canEndChip(major: MajorLayer): boolean {
  return outputSize(major) >= smallestMap && !major.tenBits;
}

/** Places inside a major layer, none between the two sublayers of a shortcut. A `learning` one has none. */
function insidePoints(major: MajorLayer, at: number): readonly Point[] {
  if (major.learning || convolvedSize(major) < smallestMap) return [];
  return major.sublayers
    .map((_, sublayer) => ({ major: at, sublayer }))
    .filter(({ sublayer }) => sublayer > 0 && !major.shortcutStarts.includes(sublayer));
}

/**
 * The major layers between two points, as one chip holds them: neighbours that differ in nothing are joined while
 * there are too many. Undefined where the chip cannot hold them.
 */
export function pieceBetween(
  layout: Layout,
  from: Point,
  to: Point,
  target: LayeredTarget,
): readonly MajorLayer[] | undefined {
  const majors = joined(majorsBetween(layout, from, to), target);
  const tooLong = majors.some(({ sublayers }) => sublayers.length > target.sublayers.value);
  return tooLong || chipBreaches(majors, target).length > 0 ? undefined : majors;
}

/** The same, not joined and not checked: the first and the last one may be parts. */
export function majorsBetween(layout: Layout, from: Point, to: Point): readonly MajorLayer[] {
  return layout.majors.slice(from.major, to.major + 1).flatMap((major, index) => {
    const at = from.major + index;
    const first = at === from.major ? from.sublayer : 0;
    const last = at === to.major ? to.sublayer : major.sublayers.length;
    return partOf(major, first, last);
  });
}

/** Sublayers `from <= k < to`. Upsampling goes with the first of them, all that comes behind with the last. */
function partOf(major: MajorLayer, from: number, to: number): readonly MajorLayer[] {
  const sublayers = major.sublayers.slice(from, to);
  const [first, last] = [sublayers[0], sublayers.at(-1)];
  if (first === undefined || last === undefined) return [];
  const isStart = from === 0;
  const isEnd = to === major.sublayers.length;
  return [
    {
      ...major,
      imageSize: isStart ? major.imageSize : convolvedSize(major),
      inputChannels: first.inputChannels,
      outputChannels: isEnd ? major.outputChannels : last.outputChannels,
      sublayers,
      pooling: isEnd ? major.pooling : undefined,
      upsampling: isStart ? major.upsampling : undefined,
      shortcutStarts: major.shortcutStarts
        .filter((start) => start > from && start < to)
        .map((start) => start - from),
      lastLayerOut: isEnd && major.lastLayerOut,
      tenBits: isEnd && major.tenBits,
    },
  ];
}

/** Joins neighbours, the last ones first, until there are few enough or nothing can be joined. */
function joined(majors: readonly MajorLayer[], target: LayeredTarget): readonly MajorLayer[] {
  if (majors.length <= target.majorLayers.value) return majors;
  const most = target.sublayers.value;
  const at = majors.findLastIndex((major, index) => canJoin(majors[index - 1], major, most));
  const [first, second] = [majors[at - 1], majors[at]];
  if (first === undefined || second === undefined) return majors;
  return joined([...majors.slice(0, at - 1), join(first, second), ...majors.slice(at + 1)], target);
}

function canJoin(first: MajorLayer | undefined, second: MajorLayer, most: number): boolean {
  if (first === undefined) return false;
  const endsPlainly = first.pooling === undefined && !first.lastLayerOut && !first.tenBits;
  return (
    endsPlainly &&
    second.upsampling === undefined &&
    first.learning === second.learning &&
    first.coefficientBits === second.coefficientBits &&
    first.outputChannels === second.inputChannels &&
    second.inputChannels === second.outputChannels &&
    sameKinds(first, second) &&
    first.sublayers.length + second.sublayers.length <= most
  );
}

/** A file tells 3x3 within each channel from 3x3 over all of them for a whole major layer. */
function sameKinds(first: MajorLayer, second: MajorLayer): boolean {
  const has = (kind: Sublayer["kind"]) =>
    [first, second].some(({ sublayers }) => sublayers.some((one) => one.kind === kind));
  return !(has("depthwise") && has("full"));
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
