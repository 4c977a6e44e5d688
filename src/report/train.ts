/**
 * Reports of training and testing by a solver, as plain JSON. `train-schema.ts` says the same as JSON Schema.
 */
/** As `ReportWarning`. */
type TrainWarning = {
  readonly id: string;
  readonly message: string;
  readonly where: string | null;
};

/** A loss or a measure. */
export type TrainOutput = {
  readonly name: string;
  /** Null: not a finite number. */
  readonly value: number | null;
  /** What a loss counts for; null for measures. */
  readonly weight: number | null;
};

export type TrainTest = {
  readonly iteration: number;
  /** Number of the test network, from 0. */
  readonly net: number;
  readonly outputs: readonly TrainOutput[];
};

export type CurvePoint = {
  readonly iteration: number;
  readonly loss: number | null;
  readonly rate: number;
};

/** `inlay train`: a run of a solver. */
export type TrainReport = {
  readonly schema: "inlay.train/1";
  readonly solver: string;
  /** The network's own name. */
  readonly network: string;
  /** The network's files, for training first. */
  readonly nets: readonly string[];
  readonly images: string;
  /** Files that the run began with: weights, or a snapshot. */
  readonly from: readonly string[];
  /** Iteration that the run began at, the one it came to, and the one it was to come to. */
  readonly began: number;
  readonly iterations: number;
  readonly maxIterations: number;
  /** True where it was told to stop. */
  readonly stopped: boolean;
  /** Of this run, tests and snapshots included. */
  readonly seconds: number;
  /** Without tests and snapshots; null where no iteration was done. */
  readonly secondsPerIteration: number | null;
  /** As displayed last; null where nothing was displayed. */
  readonly loss: number | null;
  readonly outputs: readonly TrainOutput[];
  /** Those before a resumption too. */
  readonly tests: readonly TrainTest[];
  /** The best test of the first test network, by its first accuracy, or else its first loss. */
  readonly best: {
    readonly iteration: number;
    readonly name: string;
    readonly value: number;
  } | null;
  /** What was displayed, thinned out where it is long. */
  readonly curve: readonly CurvePoint[];
  /** Snapshots that this run wrote: solver states. */
  readonly snapshots: readonly string[];
  /** All files that it wrote. */
  readonly files: readonly string[];
  readonly seed: number;
  readonly threads: number;
  readonly device: string;
  readonly warnings: readonly TrainWarning[];
};

/** `inlay test`: losses and measures of a network on its own data layer. */
export type TestReport = {
  readonly schema: "inlay.test/1";
  readonly model: string;
  readonly weights: readonly string[];
  readonly images: string;
  /** Batches that were looked at, and their pictures. */
  readonly iterations: number;
  readonly samples: number;
  /** Mean of the weighted losses. */
  readonly loss: number | null;
  /** Means over the batches. */
  readonly outputs: readonly TrainOutput[];
  readonly accuracies: readonly TestAccuracy[];
  /** True where it was told to stop: nothing was measured then. */
  readonly stopped: boolean;
  readonly seconds: number;
  readonly warnings: readonly TrainWarning[];
};

export type TestAccuracy = {
  readonly name: string;
  /** Labels that were right, of how many that count. */
  readonly count: number;
  readonly total: number;
  readonly percent: number;
  /** 95 % Wilson score interval of the percentage. */
  readonly interval: readonly [lo: number, hi: number];
};
