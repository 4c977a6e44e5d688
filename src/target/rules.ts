/**
 * The names of a layered chip's rules as values: what a user may waive.
 */
import { usageError } from "../error.ts";
import type { RuleName } from "./layered-target.ts";

/** A rule without its line here is a compile error. */
const known: Readonly<Record<RuleName, true>> = {
  kernel: true,
  stride: true,
  padding: true,
  dilation: true,
  groups: true,
  depthwise: true,
  activation: true,
  pooling: true,
  "mixed-pooling": true,
  upsampling: true,
  shortcut: true,
  cap: true,
  "image-size": true,
  "input-channels": true,
  channels: true,
  "coefficient-bits": true,
  "activation-bits": true,
  "major-layers": true,
  sublayers: true,
  "weight-memory": true,
  "activation-memory": true,
  "output-mode": true,
  cascade: true,
};

export const ruleNames: readonly RuleName[] = Object.keys(known) as RuleName[];

/** The rule of that name. A usage error lists the names there are. */
export function ruleNamed(name: string): RuleName {
  const rule = ruleNames.find((one) => one === name);
  if (rule !== undefined) return rule;
  throw usageError("no such rule", { expected: ruleNames.join(", "), got: `"${name}"` });
}
