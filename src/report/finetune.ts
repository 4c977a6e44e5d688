/**
 * `inlay finetune` as plain data: each step of the training, and what came out of it.
 */
import type { ConvertReport, Share } from "./convert.ts";

/** One test: how many of the test pictures are right, and the mean training loss since the test before. */
export type FinetuneTest = {
  readonly iteration: number;
  readonly correct: number;
  readonly samples: number;
  readonly loss: number | null;
};

export type FinetuneStage = {
  /** float, convolutions, activations or fused. */
  readonly name: string;
  readonly iterations: number;
  readonly rate: number;
  /** Spent in training and tests, over all runs. */
  readonly seconds: number;
  readonly tests: readonly FinetuneTest[];
  /** The test whose weights are kept. */
  readonly best: FinetuneTest | null;
};

/** Top-1 on the test pictures. */
export type FinetuneAccuracy = {
  readonly samples: number;
  /** The float network that the steps began with. */
  readonly float: Share;
  /** The fused network in training's arithmetic. */
  readonly trained: Share;
  /** The simulation of the written model. */
  readonly simulated: Share;
  /** Pictures whose best class in the simulation is another than the fused network's. */
  readonly differing: number;
};

export type FinetuneReport = {
  readonly schema: "inlay.finetune/1";
  readonly model: string;
  readonly source: readonly string[];
  readonly target: string;
  readonly train: { readonly images: string; readonly samples: number };
  readonly test: { readonly images: string; readonly samples: number };
  readonly batch: number;
  readonly seed: number;
  /** Class names, where the pictures tell them. */
  readonly classes: readonly string[];
  readonly stages: readonly FinetuneStage[];
  /** True where the run was stopped: then nothing is converted, and the same command goes on. */
  readonly stopped: boolean;
  readonly accuracy: FinetuneAccuracy | null;
  /** The last values of the chip, bit by bit against the fused network. */
  readonly bitMatch: { readonly pictures: number; readonly matches: number } | null;
  readonly convert: ConvertReport | null;
  /** As `ReportWarning`. */
  readonly warnings: readonly {
    readonly id: string;
    readonly message: string;
    readonly where: string | null;
  }[];
};
