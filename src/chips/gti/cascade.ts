/**
 * A network over several chips, planned from what each of them holds: the fewest chips, or a given number, cut
 * where a chip can end. The vendor's fixed cuts are in split.ts.
 */
import { inputError, usageError } from "../../error.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import { cutPoints, majorsBetween, type Point, pieceBetween } from "./cascade-piece.ts";
import { chipBreaches } from "./chip-limits.ts";
import type { Layout, MajorLayer } from "./layout.ts";
import { activationBreaches } from "./major-limits.ts";
import { slotsOfMajors } from "./memory.ts";

export type CascadeOptions = {
  /** Exactly so many; the fewest where absent. */
  readonly chips?: number;
  /** Raises the bits of each chip's major layers, the first ones first, as far as its memory goes. */
  readonly bitsAsHighAsFit?: boolean;
};

/** The end of a chip: after major layer `major` (from 1), or after its sublayer `sublayer` (from 1). */
export type Cut = { readonly major: number; readonly sublayer: number | undefined };

type ChipPlan = {
  readonly layout: Layout;
  /** Slots of the weight memory that it takes. */
  readonly slots: number;
};

export type CascadePlan = { readonly chips: readonly ChipPlan[]; readonly cuts: readonly Cut[] };

/** Why there is no plan, in the words of a violation. */
export type NoCascade = {
  readonly where: string;
  readonly limit: string;
  readonly found: string;
  readonly hint: string;
};

const maxChips = 64;
const maxSublayers = 1024;

/**
 * The plan with the fewest cuts inside major layers; of those, the most balanced one: the sum of squares of
 * each chip's share of its weight memory, in whole percent, is smallest; of equal ones the first chip is the
 * lightest, so that it can have more bits. An input error where there is none, a usage error where `chips` is no
 * count.
 */
export function planCascade(
  layout: Layout,
  target: LayeredTarget,
  options: CascadeOptions = {},
): CascadePlan {
  const found = mapProblem(layout, target) ?? findCascade(layout, target, options);
  if ("chips" in found) return found;
  throw inputError("the network cannot be cut over the chips", {
    node: found.where,
    expected: found.limit,
    got: found.found,
    hint: found.hint,
  });
}

/** As planCascade, but tells why there is none, and asks nothing of the activation memory. */
export function findCascade(
  layout: Layout,
  target: LayeredTarget,
  { chips, bitsAsHighAsFit = false }: CascadeOptions,
): CascadePlan | NoCascade {
  checkCount(chips);
  const points = cutPoints(layout);
  const problem = sizeProblem(layout) ?? pieceProblem(layout, points, target);
  if (problem !== undefined) return problem;
  const most = Math.min(points.length - 1, maxChips);
  if (chips !== undefined && chips > most) return tooManyChips(chips, most);
  const bounds = bestBounds(layout, points, target, chips ?? most, chips);
  if (bounds !== undefined) return planOf(layout, bounds, target, bitsAsHighAsFit);
  const fewest = chips === undefined ? undefined : bestBounds(layout, points, target, most);
  const found = fewest === undefined ? `more than ${most}` : `at least ${fewest.length - 1}`;
  return {
    where: "the cascade",
    limit: `${chips ?? most} chips`,
    found,
    hint: "Give it more chips, or use fewer bits or channels",
  };
}

function checkCount(chips: number | undefined): void {
  if (chips === undefined || (Number.isInteger(chips) && chips >= 1)) return;
  throw usageError("a cascade has a whole number of chips", {
    expected: "1 or more",
    got: String(chips),
  });
}

function tooManyChips(chips: number, most: number): NoCascade {
  return {
    where: "the cascade",
    limit: `at most ${most} chips: it can be cut at ${most - 1} places`,
    found: String(chips),
    hint: "A chip hands on 5-bit maps of 14 rows or more, never from inside a shortcut",
  };
}

/** No cut makes a map smaller. */
function mapProblem(layout: Layout, target: LayeredTarget): NoCascade | undefined {
  const [large] = activationBreaches(layout, target);
  return large === undefined ? undefined : { ...large, where: large.node };
}

/** Nothing to cut, or too much to plan. */
function sizeProblem({ majors }: Layout): NoCascade | undefined {
  const count = majors.reduce((sum, { sublayers }) => sum + sublayers.length, 0);
  if (count >= 1 && count <= maxSublayers) return undefined;
  return {
    where: "the network",
    limit: `1 to ${maxSublayers} sublayers`,
    found: String(count),
    hint: "Check what was laid on the chip",
  };
}

/** A part between two neighbouring points that no chip holds. */
function pieceProblem(
  layout: Layout,
  points: readonly Point[],
  target: LayeredTarget,
): NoCascade | undefined {
  for (const [at, from] of points.entries()) {
    const to = points[at + 1];
    if (to === undefined || pieceBetween(layout, from, to, target) !== undefined) continue;
    const [breach] = chipBreaches(majorsBetween(layout, from, to), target);
    return {
      where: `from ${placeText(from)} to ${endText(layout, to)}, which cannot be cut`,
      limit: breach?.limit ?? `at most ${target.sublayers.value} sublayers in a major layer`,
      found: breach?.found ?? "more",
      hint: breach?.hint ?? "Cut the major layer in two",
    };
  }
  return undefined;
}

function placeText({ major, sublayer }: Point): string {
  return sublayer === 0
    ? `major layer ${major + 1}`
    : `sublayer ${sublayer + 1} of major layer ${major + 1}`;
}

function endText({ majors }: Layout, { major, sublayer }: Point): string {
  if (sublayer > 0) return `sublayer ${sublayer} of major layer ${major + 1}`;
  return major === majors.length ? "the end" : `major layer ${major}`;
}

/** One cut inside a major layer outweighs every imbalance: 64 chips of 100 percent are 640000. */
const insideCut = 1e6;

type Step = { readonly to: number; readonly cost: number };

/** The steps that a chip can take from each point, and what each costs. */
function stepsFrom(
  layout: Layout,
  points: readonly Point[],
  target: LayeredTarget,
): readonly (readonly Step[])[] {
  const limit = target.weightSlots.value;
  const longest = target.majorLayers.value * target.sublayers.value;
  return points.map((from, at) => {
    const steps: Step[] = [];
    for (const [to, point] of points.entries()) {
      if (to <= at) continue;
      const majors = majorsBetween(layout, from, point);
      const slots = slotsOfMajors(majors, target);
      const count = majors.reduce((sum, { sublayers }) => sum + sublayers.length, 0);
      // Both only grow with the piece.
      if (slots >= limit || count > longest) break;
      if (pieceBetween(layout, from, point, target) === undefined) continue;
      const percent = Math.round((100 * slots) / limit);
      steps.push({ to, cost: percent ** 2 + (point.sublayer > 0 ? insideCut : 0) });
    }
    return steps;
  });
}

/**
 * The points of the best plan, start and end included: of exactly `exact` chips, or of the fewest up to `most`.
 * `best[i]` is the cheapest way from point i to the end with a number of chips, found from the number before.
 */
function bestBounds(
  layout: Layout,
  points: readonly Point[],
  target: LayeredTarget,
  most: number,
  exact?: number,
): readonly Point[] | undefined {
  const steps = stepsFrom(layout, points, target);
  const end = points.length - 1;
  let best: readonly (Way | undefined)[] = points.map((_, at) =>
    at === end ? { cost: 0, ends: [] } : undefined,
  );
  for (let chips = 1; chips <= most; chips++) {
    best = steps.map((from) => cheapest(from, best));
    const way = best[0];
    if (way !== undefined && (exact === undefined || chips === exact)) {
      return [0, ...way.ends].flatMap((at) => points[at] ?? []);
    }
  }
  return undefined;
}

/** Ends of the chips still to come, nearest first. */
type Way = { readonly cost: number; readonly ends: readonly number[] };

/** Steps stand in the order of their ends, so equal costs leave the shortest first step. */
function cheapest(steps: readonly Step[], next: readonly (Way | undefined)[]): Way | undefined {
  let found: Way | undefined;
  for (const { to, cost } of steps) {
    const rest = next[to];
    if (rest === undefined) continue;
    const total = cost + rest.cost;
    if (found === undefined || total < found.cost)
      found = { cost: total, ends: [to, ...rest.ends] };
  }
  return found;
}

function planOf(
  layout: Layout,
  bounds: readonly Point[],
  target: LayeredTarget,
  raise: boolean,
): CascadePlan {
  const last = bounds.length - 2;
  const chips = bounds.slice(1).map((to, at): ChipPlan => {
    const from = bounds[at] ?? to;
    const majors = pieceBetween(layout, from, to, target) ?? [];
    const raised = raise ? raisedBits(majors, target) : majors;
    const activationBitMode = at === last ? layout.activationBitMode : 0;
    return {
      layout: { majors: raised, activationBitMode },
      slots: slotsOfMajors(raised, target),
    };
  });
  const cuts = bounds.slice(1, -1).map(({ major, sublayer }) => ({
    major: sublayer === 0 ? major : major + 1,
    sublayer: sublayer === 0 ? undefined : sublayer,
  }));
  return { chips, cuts };
}

/** The most bits that fit, major layer by major layer from the first; never fewer than it has. */
function raisedBits(majors: readonly MajorLayer[], target: LayeredTarget): readonly MajorLayer[] {
  const modes = target.weightModes.map(({ bits }) => bits).toSorted((a, b) => b - a);
  return majors.reduce<readonly MajorLayer[]>((raised, major, at) => {
    const withBits = modes
      .filter((bits) => bits > major.coefficientBits)
      .map((bits) => raised.with(at, { ...major, coefficientBits: bits }));
    const fits = withBits.find(
      (candidate) => slotsOfMajors(candidate, target) < target.weightSlots.value,
    );
    return fits ?? raised;
  }, majors);
}
