/**
 * What the four steps of fine-tuning leave.
 */
import type { ChipMapping } from "../../chips/gti/map/mapping.ts";
import type { Refined } from "../../chips/gti/program/refine.ts";
import type { Graph } from "../../ir/graph.ts";
import type { FinetuneTest } from "../../report/finetune.ts";
import type { LayeredTarget } from "../../target/layered-target.ts";
import type { StageName } from "./fine-tune.ts";

export type StageResult = {
  /** The stage's graph with the best weights by the test set. */
  readonly graph: Graph;
  readonly best: FinetuneTest | undefined;
  readonly tests: readonly FinetuneTest[];
  readonly seconds: number;
  /** True where the run was asked to stop before the end. */
  readonly stopped: boolean;
};

export type Trained = {
  readonly target: LayeredTarget;
  /** The float network that came out of the first step. */
  readonly float: Graph;
  readonly mapping: ChipMapping;
  /** Rules that were waived and are broken. */
  readonly waived: readonly string[];
  /** The refined network with the weights of the last step; its input holds levels. */
  readonly refined: Refined;
  /** The same, fed with pixels 0..255. */
  readonly fused: Graph;
  readonly stages: readonly (readonly [StageName, StageResult])[];
  readonly stopped: boolean;
};
