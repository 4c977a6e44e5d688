/**
 * What fine-tuning is asked to do: plain data, from flags or a recipe, with what is meant where nothing is said.
 */
import type { Augmentation } from "../../data/augmentation.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import type { FinetuneTest } from "../../report/finetune.ts";
import type { LayerLimits } from "../../train/solver/settings.ts";
import type { ChipOptions, ImageOptions, ModelPaths } from "../options.ts";

/** The four steps, in order. */
export const stageNames = ["float", "convolutions", "activations", "fused"] as const;
export type StageName = (typeof stageNames)[number];

export type StagePlan = {
  /** Passes over the training pictures; 0 leaves the step's training out. */
  readonly epochs: number;
  /** Learning rate at its beginning; it falls to 0 along a straight line. */
  readonly rate: number;
};

export type FinetuneJob = {
  readonly model: ModelPaths;
  readonly target: string;
  readonly chip: ChipOptions;
  readonly preprocess: Preprocess;
  readonly train: ImageOptions;
  readonly test: ImageOptions;
  /** The network gets a new last layer for the classes of the training pictures. */
  readonly ownClasses: boolean;
  /** Weights begin as random numbers. */
  readonly fromScratch: boolean;
  readonly labels?: string | undefined;
  readonly stages: Readonly<Record<StageName, StagePlan>>;
  readonly batch: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly augment: Augmentation;
  readonly limits?: LayerLimits | undefined;
  /** The float network teaches the others: share of its loss, 0..1, and the temperature of both. */
  readonly distill?: { readonly share: number; readonly temperature: number } | undefined;
  /** Caps are learned, not only calibrated. */
  readonly learnCaps: boolean;
  readonly out: string;
  /** Where states are kept between runs; `out/training` unless given. */
  readonly work?: string | undefined;
  readonly shouldStop?: (() => boolean) | undefined;
  readonly onTest?: ((stage: string, tested: FinetuneTest) => void) | undefined;
};

/** Steps of networks that are trained already: float only where classes or weights are new. */
export const defaultStages: FinetuneJob["stages"] = {
  float: { epochs: 0, rate: 0.01 },
  convolutions: { epochs: 1, rate: 0.005 },
  activations: { epochs: 2, rate: 0.005 },
  fused: { epochs: 1, rate: 0.001 },
};

/**
 * Steps of a trained network that gets other classes. Its batch norms are often merged already, and then rates as above wash
 * out in an epoch what it has learned.
 */
export const classStages: FinetuneJob["stages"] = {
  float: { epochs: 5, rate: 0.001 },
  convolutions: { epochs: 1, rate: 0.0005 },
  activations: { epochs: 2, rate: 0.0005 },
  fused: { epochs: 1, rate: 0.0001 },
};
