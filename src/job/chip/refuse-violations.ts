/**
 * What becomes of a network that breaks a chip's rules: an error that tells all of them, or, where the user waived
 * them, warnings that say that the result cannot be deployed.
 */
import { inputError } from "../../error.ts";
import type { OnWarning } from "../../notice.ts";
import type { Violation } from "../../target/layered-target.ts";

/** Most violations that an error tells. */
const toldViolations = 12;

/** The waived rules that are broken. An input error names all that are broken and not waived. */
export function refuseViolations(
  violations: readonly Violation[],
  onWarning: OnWarning,
): readonly string[] {
  for (const rule of new Set(violations.map((one) => one.rule))) {
    const [first, ...others] = violations.filter((one) => one.rule === rule && one.waived);
    if (first === undefined) continue;
    const more = others.length === 0 ? "" : `, and ${others.length} more places`;
    const message = `not deployable: rule ${rule} is waived; the chip has ${first.limit}, the network ${first.found}${more}`;
    onWarning({ id: "not-deployable", message, where: first.node });
  }
  const broken = violations.filter(({ waived }) => !waived);
  if (broken.length > 0) throw brokenRules(broken);
  return [...new Set(violations.map(({ rule }) => rule))];
}

function brokenRules(broken: readonly Violation[]): Error {
  const lines = broken
    .slice(0, toldViolations)
    .map((one) => `${one.node}: ${one.rule}: ${one.found}; the chip has ${one.limit}`);
  const more = broken.length > lines.length ? [`and ${broken.length - lines.length} more`] : [];
  return inputError(["the network breaks rules of the chip", ...lines, ...more].join("\n  "), {
    hint: "inlay check says more; --waive RULE goes on nevertheless, for study",
  });
}
