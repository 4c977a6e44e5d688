/**
 * What keeps one step of a network off a chip: a rule broken at one node, before anybody knows whether the
 * rule is waived.
 */
import type { RuleName, Violation } from "../../../target/layered-target.ts";

export type Problem = Omit<Violation, "waived"> & {
  /**
   * What a waiver of the rule gives. `layered`: the step, in a network that still has major layers. `free`: the
   * step, but no file of the chip can say it. `none`: nothing, for there is no arithmetic to do it with.
   */
  readonly waiver: "layered" | "free" | "none";
};

/** True where the problem keeps its step on the host. */
export function blocks({ rule, waiver }: Problem, waive: ReadonlySet<RuleName>): boolean {
  return waiver === "none" || !waive.has(rule);
}

export function violationOf(problem: Problem, waive: ReadonlySet<RuleName>): Violation {
  const { rule, node, limit, found, hint } = problem;
  return { rule, node, limit, found, hint, waived: !blocks(problem, waive) };
}
