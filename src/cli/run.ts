/**
 * `inlay run`
 */
import type { Command } from "commander";
import type { RecipeOverrides } from "../index.ts";
import { addCommonFlags, type CommonFlags, createCommand } from "./common-flags.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";
import { addAccumulatorFlags, isModelRun, type ModelFlags, runModel } from "./run-model.ts";
import { parseCount } from "./values.ts";

const examples = [
  "inlay run recipe.yaml",
  "inlay run recipe.yaml            # again: goes on where it was stopped, skips what has not changed",
  "inlay run recipe.yaml --force    # everything again",
  "inlay run out.model picture.jpg  # simulates a converted network: the five best classes",
  "inlay run out.model val/ --json",
];

/** The format. Its definition is the recipe reader's; a test reads this text with it. */
const recipeHelp = `
A recipe, in YAML or JSON. Paths start from the recipe's own folder; only model, calibrate and
out must be there; an unknown key is an error.

  model: [deploy.prototxt, net.caffemodel]   # or net.onnx
  calibrate: calib/                          # pictures that teach the ranges
  evaluate:                                  # a path, or these keys
    path: val/labels.txt
    root: val/                               # what the list's names are relative to
    labels: synset_words.txt
    split: 0.7                               # with part: first or second
    part: second
    limit: 500
  compare: {path: calib/, limit: 20}         # by default 50 of evaluate's, or of calibrate's
  preprocess:
    color: auto                              # or color, gray
    resize: 256                              # shorter side, or 320x240
    crop: 227
    resizeAfter: 128
    order: bgr                               # or rgb
    mean: [104, 117, 123]                    # or a number, or mean.binaryproto
    scale: 1                                 # or 1/255
    std: 1                                   # or one per channel
  target: int8                               # or gti2801, gti2803, gti5801
  # chip: {bits: 12}                         # of a gti target only: see below
  method: mse                                # minmax, movingAverage, percentile, entropy
  options:
    weights: {unit: channel, powerOfTwo: false}
    activations: {signed: false, symmetric: false, powerOfTwo: false}
    biasCorrection: true
  threshold: 20                              # dB, for compare
  seed: 0
  threads: 0
  device: cpu
  steps: [inspect, calibrate, evaluate, quantize, evaluate, compare]
  out: out/

The steps run in the order given; without the key: inspect, quantize, evaluate (where there are
pictures for it), compare. evaluate judges the float network before quantize and the integers
after it. Each step leaves its report in out/; run-state.json there tells what need not be done again.

For a gti target quantize does what inlay quantize --target does, evaluate after it simulates the
model that was written, and there is no compare. chip may hold bits (12, or a list of one per major
layer or convolution), activationBits, lastTenBits, chips, waive, labels, capPercent, equalize,
channelCopies, rounding, shiftMax, accumulatorBits, debug. Of options it has biasCorrection; method
says how caps are chosen.`;

type Flags = CommonFlags & ModelFlags & { readonly force?: true };

export function runCommand(shell: Shell): Command {
  const command = createCommand(
    "run",
    "Do all steps of a recipe file, each only where needed; or run a converted network.",
  )
    .argument("<recipe>", "recipe.yaml or recipe.json; or out.model, or the folder of one")
    .argument("[pictures]", "for a model: a picture, a folder, a list")
    .option("--force", "do the steps whose inputs have not changed too")
    .optionsGroup("For a model:")
    .option("--root <folder>", "what the names in a list are relative to")
    .option("--limit <n>", "at most so many pictures", parseCount);
  addAccumulatorFlags(command).addHelpText("after", recipeHelp);
  type Words = [recipe: string, pictures: string | undefined, flags: Flags];
  return addCommonFlags(command, examples).action(async (...[recipe, pictures, flags]: Words) => {
    if (isModelRun(recipe, pictures)) return await runModel(shell, recipe, pictures, flags);
    const overrides = overridesOf(command, flags);
    const path = pathIn(shell.io, recipe);
    await runJob(shell, flags, (library, context) =>
      library.runRecipe({ recipe: path, overrides, force: flags.force === true }, context),
    );
  });
}

/** What was typed here is stronger than what the recipe says; defaults are weaker. */
export function overridesOf(
  command: Command,
  { seed, threads, device }: CommonFlags,
): RecipeOverrides {
  const typed = (name: string): boolean => command.getOptionValueSource(name) === "cli";
  return {
    ...(typed("seed") ? { seed } : {}),
    ...(typed("threads") ? { threads } : {}),
    ...(typed("device") ? { device } : {}),
  };
}
