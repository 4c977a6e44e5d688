/**
 * Which layers a network has in a phase: Caffe's include and exclude rules.
 */
import { inputError } from "../../error.ts";
import type { Message } from "../../protobuf/schema.ts";
import type { caffeEnums } from "./schema/enums.ts";
import type { CaffeSchema, LayerParameter } from "./schema/schema.ts";

export type Phase = keyof typeof caffeEnums.Phase;

type Rule = Message<CaffeSchema, "NetStateRule">;

/** What the rules are asked about. */
export type NetState = {
  /** TEST where it is left out. */
  readonly phase?: Phase;
  readonly level: number;
  readonly stages: readonly string[];
};

/** True where the layer is part of the network in this state. Throws where it has both rules. */
export function isIncluded(layer: LayerParameter, state: NetState): boolean {
  if (layer.include.length > 0 && layer.exclude.length > 0) {
    throw inputError("a layer has either include or exclude rules, not both", {
      node: `layer "${layer.name ?? ""}"`,
    });
  }
  if (layer.include.length > 0) return layer.include.some((rule) => meets(rule, state));
  return !layer.exclude.some((rule) => meets(rule, state));
}

/** A rule is met where every one of its conditions is. */
function meets(rule: Rule, { phase = "TEST", level, stages }: NetState): boolean {
  return (
    (rule.phase === undefined || rule.phase === phase) &&
    level >= (rule.min_level ?? level) &&
    level <= (rule.max_level ?? level) &&
    rule.stage.every((stage) => stages.includes(stage)) &&
    !rule.not_stage.some((stage) => stages.includes(stage))
  );
}
