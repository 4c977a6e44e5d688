/**
 * Every target by name. A new chip is one folder and one line here.
 */
import { usageError } from "../error.ts";
import type { Target } from "../target/target.ts";
import { int8 } from "./int8/target.ts";

export const targets: readonly Target[] = [int8];

/** The target of that name. A usage error lists the names there are. */
export function targetNamed(name: string): Target {
  const target = targets.find((one) => one.name === name);
  if (target !== undefined) return target;
  throw usageError("no such target", {
    expected: targets.map((one) => one.name).join(", "),
    got: `"${name}"`,
  });
}
