/**
 * What a chip asks of a step where it stands: shortcuts, pooling, upsampling, and the picture that enters.
 */
import type { LayeredTarget } from "../../../target/layered-target.ts";
import { formatShape, sameShape } from "../../../tensor/shape.ts";
import { kindOf } from "./conv-rules.ts";
import type { Problem } from "./problem.ts";
import type { ConvUnit, PoolUnit, Shortcut, Unit, UpsamplingUnit } from "./units.ts";
import { shapeOf, soleReader, type View } from "./view.ts";

/** How a chip pools and upsamples: by maxima and repeated pixels, or by samples and zeros. */
export type Way = "max" | "sample" | "repeat" | "zeros";

/** The way of a step; undefined where it says nothing about it. */
export function wayOf(unit: Unit): Way | undefined {
  return unit.form === "conv" || unit.kind === "other" ? undefined : unit.kind;
}

export type Surroundings = {
  readonly view: View;
  readonly target: LayeredTarget;
  /** The step that gives the input. */
  readonly before: Unit | undefined;
  /** How the chip pools and upsamples before this step. */
  readonly ways: ReadonlySet<Way>;
};

/** Rules that the step breaks where it stands. */
export function stepProblems(unit: Unit, around: Surroundings): readonly Problem[] {
  switch (unit.form) {
    case "conv":
      return unit.shortcut === undefined ? [] : shortcutProblems(unit, unit.shortcut, around);
    case "pool":
      return poolProblems(unit, around);
    case "upsampling":
      return upsamplingProblems(unit, around);
  }
}

function shortcutProblems(unit: ConvUnit, shortcut: Shortcut, around: Surroundings): Problem[] {
  const { view, target, before } = around;
  const { add, start, projection } = shortcut;
  const problems: Problem[] = [];
  const report = (found: string, waiver: Problem["waiver"], node: string = add.id): void => {
    problems.push({ rule: "shortcut", node, limit: shortcutLimit, found, hint, waiver });
  };
  const added = shapeOf(view, projection?.id ?? start);
  if (!sameShape(added, shapeOf(view, unit.conv.id))) {
    report(`a sum with ${formatShape(added)}`, "none");
  }
  if (add.attrs.coefficients?.some((factor) => factor !== 1)) {
    report("a sum with coefficients", "none");
  }
  if (!target.shortcuts) report(`a shortcut on the ${target.name}`, "layered");
  if (projection !== undefined) {
    const kernel = shapeOf(view, projection.inputs[1]).slice(2).join("x");
    const { stride } = projection.attrs;
    report(`a ${kernel} convolution of stride ${stride.join("x")}`, "free", projection.id);
  } else if (before?.form !== "conv" || before.input !== start) {
    report(`a shortcut from ${start}, not from two convolutions before`, "free");
  } else {
    for (const found of pairFaults(unit, before, view)) report(found, "free");
    problems.push(...middleOutput(before, view));
  }
  return problems;
}

const shortcutLimit = "the identity over two convolutions of one major layer";
const hint =
  "Let a pooling and a plain convolution change size and channels, and shortcuts only pass values on";

/** What keeps two convolutions from standing in one major layer under a shortcut of their own. */
function pairFaults(unit: ConvUnit, before: ConvUnit, view: View): readonly string[] {
  const kinds = [kindOf(before.conv, view), kindOf(unit.conv, view)];
  const mixed = kinds.includes("full") && kinds.includes("depthwise");
  return [
    ...(before.shortcut === undefined
      ? []
      : [`a shortcut that overlaps ${before.shortcut.add.id}`]),
    ...(mixed ? ["a shortcut over a depthwise and a full convolution"] : []),
  ];
}

/** The value inside a shortcut cannot leave the chip by itself. */
function middleOutput(before: ConvUnit, view: View): readonly Problem[] {
  if (soleReader(view, before.output) !== undefined) return [];
  return [
    {
      rule: "output-mode",
      node: before.output,
      limit: "outputs at the end of a major layer",
      found: "an output inside a shortcut",
      hint: "Take the output before or after the block",
      waiver: "free",
    },
  ];
}

function poolProblems(unit: PoolUnit, { view, target, before, ways }: Surroundings): Problem[] {
  const { pool, kind } = unit;
  const [, , h = 0, w = 0] = shapeOf(view, unit.input);
  const { kernel, stride, pads } = pool.attrs;
  const text = `${pool.op} ${kernel.join("x")} stride ${stride.join("x")} pads ${pads.join(",")}`;
  const problem = { node: pool.id, limit: poolLimit(target), hint: poolHint };
  if (kind === "other" || !target.poolings.includes(kind)) {
    const waiver = kind === "other" ? "free" : "layered";
    return [{ ...problem, rule: "pooling", found: text, waiver }];
  }
  if (h % 2 !== 0 || w % 2 !== 0) {
    return [{ ...problem, rule: "pooling", found: `a map of ${h}x${w}`, waiver: "free" }];
  }
  if (before?.form !== "conv") {
    const found = "a pooling without a convolution before it";
    return [{ ...problem, rule: "pooling", found, waiver: "free" }];
  }
  const [otherPool, otherUpsampling] =
    kind === "max" ? (["sample", "zeros"] as const) : (["max", "repeat"] as const);
  const found = (way: Way): string => `${kind} pooling behind ${way}`;
  const mixed: Problem = {
    rule: "mixed-pooling",
    node: pool.id,
    limit: "one kind of pooling per chip",
    found: found(otherPool),
    hint: "Use one kind everywhere; a strided convolution counts as sample pooling",
    waiver: "layered",
  };
  return [
    ...(ways.has(otherPool) ? [mixed] : []),
    ...(ways.has(otherUpsampling)
      ? [{ ...mixed, rule: "upsampling", limit: pairs, found: found(otherUpsampling) } as const]
      : []),
  ];
}

const pairs = "repeated pixels with max pooling, inserted zeros with sample pooling";
const poolLimit = ({ poolings }: LayeredTarget): string =>
  `${poolings.join(" or ")} pooling 2x2 with stride 2, without pads, on a map of even size`;
const poolHint = "Train with 2x2 pooling of stride 2, once behind a convolution";

function upsamplingProblems(
  { upsampling, kind }: UpsamplingUnit,
  { target, before, ways }: Surroundings,
): Problem[] {
  const hintText = "Use a frozen 2x2 stride-2 depthwise Deconvolution before a convolution";
  const problem = { rule: "upsampling", node: upsampling.id, hint: hintText } as const;
  const limit = "a factor of 2 before a convolution";
  if (!target.upsampling) {
    const found = `upsampling on the ${target.name}`;
    return [{ ...problem, limit: "no upsampling", found, waiver: "layered" }];
  }
  if (kind === "other") return [{ ...problem, limit, found: "another factor", waiver: "free" }];
  if (before?.form === "upsampling") {
    return [{ ...problem, limit, found: "upsampling twice", waiver: "free" }];
  }
  const others = kind === "repeat" ? (["sample", "zeros"] as const) : (["max", "repeat"] as const);
  const met = others.find((way) => ways.has(way));
  if (met === undefined) return [];
  return [{ ...problem, limit: pairs, found: `${kind} behind ${met}`, waiver: "layered" }];
}

/** What the first step asks of the value that enters the chip. */
export function entryProblems(unit: Unit, view: View, target: LayeredTarget): readonly Problem[] {
  const [, channels = 0] = shapeOf(view, unit.input);
  if (target.inputChannels.includes(channels)) return [];
  return [
    {
      rule: "input-channels",
      node: unit.nodes[0]?.id ?? unit.output,
      limit: `pictures of ${target.inputChannels.join(" or ")} channels`,
      found: `${channels}`,
      hint: "Feed the network pictures of as many channels",
      waiver: "layered",
    },
  ];
}
