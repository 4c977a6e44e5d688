/**
 * A recipe: one file that names the model, the pictures, the preprocessing, the target and the steps.
 * This is its meaning as plain data; `recipe-parse.ts` reads the text, `recipe.node.ts` does the steps.
 *
 * A complete recipe (YAML; JSON is read too). Paths start from the recipe's own folder:
 *
 *     model: [deploy.prototxt, net.caffemodel]   # or net.onnx
 *     calibrate: calib/                          # pictures that teach the ranges
 *     evaluate:                                  # labelled pictures: a path, or these keys
 *       path: val/labels.txt
 *       root: val/                               # what the list's names are relative to
 *       labels: synset_words.txt                 # class names, a line each
 *       split: 0.7                               # share of the first part
 *       part: second                             # or first
 *       limit: 500
 *     compare: {path: calib/, limit: 20}         # by default 50 of evaluate's, or of calibrate's
 *     preprocess:
 *       color: auto                              # or color, gray
 *       resize: 256                              # shorter side, or 320x240
 *       crop: 227
 *       resizeAfter: 128
 *       order: bgr                               # or rgb
 *       mean: [104, 117, 123]                    # or a number, or mean.binaryproto
 *       scale: 1                                 # or 1/255
 *       std: 1                                   # or one per channel
 *     target: int8                               # or gti2801, gti2803, gti5801
 *     # chip: {bits: 12}                         # of a gti target only: see below
 *     method: mse                                # minmax, movingAverage, percentile, entropy
 *     options:
 *       weights: {unit: channel, powerOfTwo: false}
 *       activations: {signed: false, symmetric: false, powerOfTwo: false}
 *       biasCorrection: true
 *     threshold: 20                              # dB, for compare
 *     seed: 0
 *     threads: 0
 *     device: cpu
 *     steps: [inspect, calibrate, evaluate, quantize, evaluate, compare]
 *     out: out/
 *
 * Only model, out and the pictures that the steps need must be there. Unknown keys are errors.
 *
 * For a chip of major layers (gti2801, gti2803, gti5801) `quantize` does what `inlay quantize --target` does, and
 * `evaluate` after it simulates the model that was written. `chip` holds what only such a chip is asked: bits (a number,
 * or a list of one per major layer or convolution), activationBits (5 or 10), lastTenBits, chips, waive (names of
 * rules), labels (a file: ID NAME a line), capPercent, equalize, shiftMax, accumulatorBits, debug. `method` says how
 * caps are chosen; of `options` it has biasCorrection alone, and there is no step `compare`.
 */
import type { Preprocess } from "../data/preprocess.ts";
import type { QuantizeOptions } from "../quantize/options.ts";
import type { CalibrationMethod, ImageOptions, JobContext, ModelPaths } from "./options.ts";
import type { RecipeChip } from "./recipe-chip.ts";

export type RecipeCommand = "inspect" | "calibrate" | "evaluate" | "quantize" | "compare";

/** What the command line may say against a recipe; it wins. */
export type RecipeOverrides = Partial<Pick<JobContext, "seed" | "threads" | "device">>;

export type Recipe = {
  readonly model: ModelPaths;
  readonly calibrate?: ImageOptions;
  readonly evaluate?: ImageOptions;
  readonly compare?: ImageOptions;
  /** Without the mean file's values. */
  readonly preprocess: Preprocess;
  /** A binaryproto file that gives `preprocess.mean`. */
  readonly meanFile?: string;
  readonly target: string;
  /** Where the target is a chip of major layers. */
  readonly chip?: RecipeChip;
  readonly method: CalibrationMethod;
  readonly options: QuantizeOptions;
  readonly thresholdDb: number;
  /** Absent: what the command line says. */
  readonly context: RecipeOverrides;
  readonly steps: readonly RecipeCommand[];
  readonly out: string;
};
