/**
 * Which steps run on the chip: the chain of steps with the most work, each reading what the one before gives.
 * The rest is the host's, with the reason for each step.
 */
import type { Node } from "../../../ir/ops.ts";
import type { LayeredTarget, RuleName } from "../../../target/layered-target.ts";
import { elementCount } from "../../../tensor/shape.ts";
import { channelProblems, convProblems, kindOf, legalChannels } from "./conv-rules.ts";
import { blocks, type Problem } from "./problem.ts";
import { entryProblems, stepProblems, type Way, wayOf } from "./step-rules.ts";
import { findUnits, hasOwnChannels, maxSpan, type Unit } from "./units.ts";
import { shapeOf, type View } from "./view.ts";

export type PartitionOptions = {
  readonly waive: ReadonlySet<RuleName>;
  readonly padChannels: boolean;
  /** Steps of other outputs stay on the host; undefined where none has to. */
  readonly only: ReadonlySet<string> | undefined;
};

/** One step with what the rules say. */
export type Judged = {
  readonly unit: Unit;
  readonly problems: readonly Problem[];
  /** Why the chip cannot take it; undefined where it could. */
  readonly why: string | undefined;
};

export type Partition = {
  /** Steps on the chip, in order; empty where the chip can take none. */
  readonly chain: readonly Unit[];
  /** All steps of the network, in order. */
  readonly judged: readonly Judged[];
};

/** A step that the chip can take, behind others that it can. */
type Link = {
  readonly unit: Unit;
  readonly before: Link | undefined;
  /** How it pools and upsamples. */
  readonly ways: ReadonlySet<Way>;
  /** Multiply-adds up to here; a pooling counts its outputs. */
  readonly work: number;
  /** True where its channels are such that the chip can only end here. */
  readonly isEnd: boolean;
};

type Search = {
  readonly view: View;
  readonly target: LayeredTarget;
  readonly options: PartitionOptions;
  readonly links: Map<string, Link>;
  readonly units: Map<string, Unit>;
};

/** Steps of a network in chip form, and those of them that go on the chip. */
export function partition(view: View, target: LayeredTarget, options: PartitionOptions): Partition {
  const search: Search = { view, target, options, links: new Map(), units: new Map() };
  const judged = findUnits(view, options.waive.has("pooling")).map((unit) => judge(unit, search));
  let best: Link | undefined;
  for (const link of search.links.values()) {
    if (link.work > (best?.work ?? 0)) best = link;
  }
  const chain: Unit[] = [];
  for (let link = best; link !== undefined; link = link.before) chain.push(link.unit);
  return { chain: chain.reverse(), judged };
}

function judge(unit: Unit, search: Search): Judged {
  const { view, target, options, links, units } = search;
  const before = units.get(unit.input);
  units.set(unit.output, unit);
  const link = links.get(unit.input);
  const problems = problemsOf(unit, before, link, search);
  const broken = problems.filter((problem) => blocks(problem, options.waive));
  if (broken.length > 0) {
    return { unit, problems, why: broken.map(({ rule, found }) => `${rule}: ${found}`).join("; ") };
  }
  const why =
    (link === undefined ? whyNotFirst(unit, search) : undefined) ?? whyNot(unit, link, search);
  if (why !== undefined || options.only?.has(unit.output) === false) {
    return { unit, problems, why };
  }
  const isEnd =
    unit.form === "conv" &&
    !options.waive.has("channels") &&
    channelProblems(unit, view, target, options.padChannels).length > 0;
  const [way, ways] = [wayOf(unit), link?.ways ?? new Set<Way>()];
  links.set(unit.output, {
    ...{ unit, before: link, isEnd: isEnd || (link?.isEnd ?? false) },
    ways: way === undefined ? ways : new Set([...ways, way]),
    work: (link?.work ?? 0) + workOf(unit, view),
  });
  return { unit, problems, why };
}

/** All rules that the step breaks where it stands. */
function problemsOf(
  unit: Unit,
  before: Unit | undefined,
  link: Link | undefined,
  { view, target, options }: Search,
): readonly Problem[] {
  const around = { view, target, before, ways: link?.ways ?? new Set<Way>() };
  const entry = isPicture(unit.input, view) ? entryProblems(unit, view, target) : [];
  if (unit.form !== "conv") return [...stepProblems(unit, around), ...entry];
  // Behind an upsampling the chip pads any count by itself, if it ends there.
  const isFree = link?.unit.form === "upsampling" && hasOwnChannels(unit);
  const channels = isFree ? [] : channelProblems(unit, view, target, options.padChannels);
  const own = convProblems(unit, view, target);
  return [...own, ...channels, ...stepProblems(unit, around), ...entry];
}

/** Why the step cannot be the chip's first. */
function whyNotFirst(unit: Unit, { view, target, options }: Search): string | undefined {
  const { input } = unit;
  if (!isPicture(input, view)) {
    const broken = entryProblems(unit, view, target).filter((one) => blocks(one, options.waive));
    if (!isNonNegative(input, view) || broken.length > 0) return `behind ${input} on the host`;
  }
  return unit.form === "pool" ? "no convolution on the chip before it" : undefined;
}

/** Why the step cannot stand behind the chain so far, whatever the rules say of the step. */
function whyNot(unit: Unit, link: Link | undefined, search: Search): string | undefined {
  if (link?.isEnd && unit.form !== "pool") {
    return `behind ${link.unit.output}, whose channels the chip has only at its end`;
  }
  if (unit.form !== "conv") return undefined;
  const { view, target, options } = search;
  const identity = unit.shortcut?.projection === undefined ? unit.shortcut?.start : undefined;
  if (unit.shortcut !== undefined && placeOf(unit.shortcut.start, unit, link) === undefined) {
    return `its shortcut from ${unit.shortcut.start} starts on the host`;
  }
  if (!options.padChannels) return undefined;
  // What enters the chip is never padded: what must have its channels cannot be padded either.
  const same = [identity, kindOf(unit.conv, view) === "depthwise" ? unit.input : undefined];
  const unpadded = same.find((id) => id !== undefined && placeOf(id, unit, link) === "entry");
  if (unpadded === undefined) return undefined;
  const [, count = 0] = shapeOf(view, unpadded);
  const isLegal = legalChannels(count, target) === count;
  return isLegal ? undefined : `needs the ${count} channels that enter the chip`;
}

/**
 * Where a value stands in the chain before a step: what enters the chip (or only repeats it), or something computed;
 * undefined where it is none of the last values.
 */
function placeOf(
  value: string,
  unit: Unit,
  before: Link | undefined,
): "entry" | "chain" | undefined {
  let current = unit.input;
  let link = before;
  for (let step = 0; step <= maxSpan; step += 1) {
    if (current === value) return isEntry(link) ? "entry" : "chain";
    if (link === undefined) return undefined;
    current = link.unit.input;
    link = link.before;
  }
  return undefined;
}

/** True where no convolution stands in the chain up to here. */
function isEntry(link: Link | undefined): boolean {
  let current = link;
  while (current !== undefined && current.unit.form !== "conv") current = current.before;
  return current === undefined;
}

function workOf(unit: Unit, view: View): number {
  if (unit.form === "upsampling") return 0;
  if (unit.form === "pool") return elementCount(shapeOf(view, unit.output));
  const [, ...kernel] = shapeOf(view, unit.conv.inputs[1]);
  return elementCount(shapeOf(view, unit.conv.id)) * elementCount(kernel);
}

/** True for a graph input. */
function isPicture(id: string, view: View): boolean {
  return view.nodes.get(id)?.op === "input";
}

/** True where no value is below zero: such a value can enter a chip, whose levels begin at 0. */
function isNonNegative(id: string, view: View, looks = 8): boolean {
  const node = view.nodes.get(id);
  if (node === undefined || looks === 0) return false;
  switch (node.op) {
    case "relu":
    case "quantRelu":
      return node.attrs.slope === 0;
    case "clip":
      return node.attrs.min >= 0;
    case "sigmoid":
    case "softmax":
    case "abs":
    case "reduceBits":
    case "toLevels":
      return true;
    default:
      return passesValues.has(node.op) && isNonNegative(node.inputs[0] ?? "", view, looks - 1);
  }
}

const passesValues: ReadonlySet<Node["op"]> = new Set<Node["op"]>([
  ...(["maxPool", "avgPool", "resize", "zeroInsert", "slice", "reshape", "transpose"] as const),
]);
