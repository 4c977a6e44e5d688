/** What the jobs `train` and `test` take. */

import type { LayerLimits } from "../../train/solver/settings.ts";

export type TrainJob = {
  readonly solver: string;
  /** Folder that relative paths of the solver start from; "" is the process's own. They are looked for beside the solver, too. */
  readonly folder: string;
  /** Caffemodels to begin with, in place of the solver's own `weights`; of layers in several the last one's count. */
  readonly weights?: readonly string[] | undefined;
  /** A .solverstate to go on from. */
  readonly snapshot?: string | undefined;
  /** Goes on from the newest snapshot of the solver's prefix, where there is one. */
  readonly resume?: boolean | undefined;
  /** Layers of other shapes than in `weights` begin anew. */
  readonly ignoreShapeMismatch?: boolean | undefined;
  /** Choose layers, besides what the solver says. */
  readonly level?: number | undefined;
  readonly stages?: readonly string[] | undefined;
  /** Path of the HTML page, false for none; `<snapshot_prefix>.html` unless given. */
  readonly report?: string | false | undefined;
  /** Gets the lines of the log, without line ends. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Asked between iterations and batches: true ends the run after a snapshot. */
  /** Limits of layers, kept after every update. */
  readonly limits?: LayerLimits | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
};

export type TestJob = {
  /** A prototxt with data layer and losses or accuracies. */
  readonly model: string;
  readonly weights: readonly string[];
  /** Batches to look at. */
  readonly iterations: number;
  /** As in `TrainJob`; the prototxt takes the solver's place. */
  readonly folder: string;
  readonly phase: "TRAIN" | "TEST";
  readonly level?: number | undefined;
  readonly stages?: readonly string[] | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
};
