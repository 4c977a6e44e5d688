/**
 * What runs on the host, and why: rules that a layer breaks, layers that no such chip has, and what stands
 * behind or beside them.
 */
import { describe } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import type { LayeredTarget, RuleName, Violation } from "../../../target/layered-target.ts";
import type { ChipConvolution, MapOptions } from "./mapping.ts";
import type { Judged } from "./partition.ts";
import { violationOf } from "./problem.ts";
import { isConvolution } from "./units.ts";
import type { View } from "./view.ts";

export type HostNode = { readonly node: string; readonly why: string };

/** The nodes that are not the chip's, in order, each with the reason. Inputs and constants are none. */
export function hostNodes(
  view: View,
  judged: readonly Judged[],
  chip: ReadonlySet<string>,
): readonly HostNode[] {
  const whys = new Map<string, string>();
  for (const { unit, why } of judged) {
    for (const { id } of unit.nodes) whys.set(id, why ?? "beside the part that runs on the chip");
  }
  return view.graph.nodes.flatMap((node) => {
    if (chip.has(node.id) || node.op === "input" || node.op === "const") return [];
    return [{ node: node.id, why: whys.get(node.id) ?? natureOf(node) }];
  });
}

function natureOf(node: Node): string {
  if (isConvolution(node)) return "no activation behind it: the chip has no linear output";
  return `${describe(node).split(" ")[0]} runs on the host`;
}

/**
 * Broken rules of all steps that nothing but rules keeps off the chip: not of those behind a layer that is the
 * host's by nature. Waived ones count for steps on the chip alone.
 */
export function violationsOf(
  view: View,
  judged: readonly Judged[],
  chip: ReadonlySet<string>,
  waive: ReadonlySet<RuleName>,
): readonly Violation[] {
  const behindHost = hostByNature(view, judged);
  return judged.flatMap(({ unit, problems }) => {
    const onChip = chip.has(unit.output);
    if (!onChip && behindHost.has(unit.input)) return [];
    const violations = problems.map((problem) => violationOf(problem, waive));
    return onChip ? violations : violations.filter(({ waived }) => !waived);
  });
}

/**
 * Values that a layer of no chip gives, or that stand behind one. Arithmetic on the picture itself does not
 * count: it can be folded or done before the chip.
 */
function hostByNature(view: View, judged: readonly Judged[]): ReadonlySet<string> {
  const steps = new Set(judged.flatMap(({ unit }) => unit.nodes.map(({ id }) => id)));
  const behind = new Set<string>();
  const picture = new Set<string>();
  for (const node of view.graph.nodes) {
    if (node.op === "const") continue;
    const read = node.inputs.filter((id) => view.nodes.get(id)?.op !== "const");
    const early = read.every((id) => picture.has(id)) && preparing.has(node.op);
    if (early) picture.add(node.id);
    const byNature = !early && !steps.has(node.id);
    if (byNature || read.some((id) => behind.has(id))) behind.add(node.id);
  }
  return behind;
}

const preparing: ReadonlySet<Node["op"]> = new Set<Node["op"]>([
  ...(["input", "scale", "bias", "power", "add", "sub", "mul", "div"] as const),
  ...(["reduceBits", "toLevels", "imageToTensor", "transpose", "pad"] as const),
]);

/** Widths that are asked for and that the target has not. */
export function widthViolations(
  { weightModes, activationBits }: LayeredTarget,
  convolutions: readonly ChipConvolution[],
  options: MapOptions,
): readonly Violation[] {
  const { waive } = options;
  const modes = weightModes.map((mode) => mode.bits);
  const violation = (rule: RuleName, node: string, widths: readonly number[], found: number) => ({
    rule,
    node,
    limit: `${widths.join(", ")} bits`,
    found: `${found}`,
    hint: "Choose a width that the chip has",
    waived: waive.has(rule),
  });
  const weights = convolutions
    .filter(({ bits }) => !modes.includes(bits))
    .map(({ conv, bits }) => violation("coefficient-bits", conv, modes, bits));
  const width = options.lastTenBits ? 10 : (options.activationBits ?? 5);
  if (activationBits.includes(width)) return weights;
  return [...weights, violation("activation-bits", "network", activationBits, width)];
}
