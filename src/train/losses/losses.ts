/**
 * All losses: the definition of one in float64, and its nodes in a training step.
 */
import type { Loss } from "../../ir/training.ts";
import type { Tape } from "../tape.ts";
import { distillationLoss } from "./distillation.ts";
import { euclideanLoss } from "./euclidean.ts";
import { hingeLoss } from "./hinge.ts";
import type { DefinedLoss, LossInputs, LossOf, LossRule, WrittenLoss } from "./loss-rule.ts";
import { sigmoidLoss } from "./sigmoid.ts";
import { smoothL1Loss } from "./smooth-l1.ts";
import { softmaxLoss } from "./softmax.ts";

const rules: { readonly [K in Loss["kind"]]: LossRule<K> } = {
  softmax: softmaxLoss,
  sigmoid: sigmoidLoss,
  distillation: distillationLoss,
  euclidean: euclideanLoss,
  hinge: hingeLoss,
  smoothL1: smoothL1Loss,
};

/** Value and gradients in float64, by the loss's formula; `inputs` are the values that it reads. */
export function defineLoss<K extends Loss["kind"]>(
  loss: LossOf<K>,
  inputs: LossInputs,
): DefinedLoss {
  return ruleOf(loss).define(loss, inputs);
}

/** Writes the loss's value, and on demand its gradients. The tape must know the shapes of what it reads. */
export function emitLoss<K extends Loss["kind"]>(loss: LossOf<K>, tape: Tape): WrittenLoss {
  return ruleOf(loss).emit(loss, tape);
}

function ruleOf<K extends Loss["kind"]>(loss: LossOf<K>): LossRule<K> {
  return rules[loss.kind as K];
}
