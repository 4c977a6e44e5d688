/**
 * Which layers a network has at test time: Caffe's include and exclude rules.
 */
import { inputError } from "../../error.ts";
import type { Message } from "../../protobuf/schema.ts";
import type { CaffeSchema, LayerParameter } from "./schema/schema.ts";

type Rule = Message<CaffeSchema, "NetStateRule">;

/** What the rules are asked about; the phase is always TEST. */
export type TestState = { readonly level: number; readonly stages: readonly string[] };

/** True where the layer is part of the network at test time. Throws where it has both rules. */
export function isIncluded(layer: LayerParameter, state: TestState): boolean {
  if (layer.include.length > 0 && layer.exclude.length > 0) {
    throw inputError("a layer has either include or exclude rules, not both", {
      node: `layer "${layer.name ?? ""}"`,
    });
  }
  if (layer.include.length > 0) return layer.include.some((rule) => meets(rule, state));
  return !layer.exclude.some((rule) => meets(rule, state));
}

/** A rule is met where every one of its conditions is. */
function meets(rule: Rule, { level, stages }: TestState): boolean {
  return (
    (rule.phase === undefined || rule.phase === "TEST") &&
    level >= (rule.min_level ?? level) &&
    level <= (rule.max_level ?? level) &&
    rule.stage.every((stage) => stages.includes(stage)) &&
    !rule.not_stage.some((stage) => stages.includes(stage))
  );
}
