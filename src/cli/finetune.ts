/**
 * `inlay finetune`
 */
import { type Command, InvalidArgumentError } from "commander";
import type { Augmentation, FinetuneJob, ImageOptions, StageName } from "../index.ts";
import { addChipFlags, type ChipFlags, chipOptionsOf } from "./chip-flags.ts";
import {
  addCommonFlags,
  addModelArguments,
  type CommonFlags,
  createCommand,
  required,
} from "./common-flags.ts";
import { imageSource, imagesOf, type PictureFlags } from "./image-flags.ts";
import { modelPaths } from "./inspect.ts";
import { pathIn } from "./io.ts";
import type { Library } from "./library.ts";
import { type LimitFlags, limitsOf } from "./limit-flags.ts";
import { addPreprocessFlags, type PreprocessFlags, preprocessOf } from "./preprocess-flags.ts";
import { overridesOf } from "./run.ts";
import { runJobToEnd, type Shell } from "./run-job.ts";
import { parseCount, parseFraction, parseShare } from "./values.ts";

const examples = [
  "inlay finetune deploy.prototxt net.caffemodel --target gti2803 --bits 2 --train train.txt --test val.txt --out tuned/ --crop 224 --order bgr",
  "inlay finetune net.prototxt net.caffemodel --target gti2803 --classes my-pictures/ --out tuned/ --resize 256 --crop 224   # classes of your own",
  "inlay finetune recipe.yaml",
  "inlay finetune net.prototxt --from-scratch --target gti5801 --bits 3 --train train.txt --test test.txt --epochs 15,1,2,1 --out tuned/",
];

const details = [
  "Four steps: float (for new weights or classes), rounded weights, rounded activations, fused as the chip computes. Each",
  "step keeps the weights that do best on the test pictures. Ends with the converted model, simulated. Stopped with",
  "Ctrl-C or killed, the same command goes on where it was.",
].join(" ");

/** The format. Its definition is the recipe reader's; a test reads this text with it. */
const recipeHelp = `
A recipe, in YAML or JSON, in place of the model. Paths start from the recipe's own folder; model, target,
train and test (or classes) and out must be there; an unknown key is an error.

  model: [deploy.prototxt, net.caffemodel]   # or net.onnx
  target: gti2803
  chip: {bits: 2}                            # as in inlay run recipe.yaml
  train: {path: train.txt, root: pictures/}  # a path, or the keys of evaluate in inlay run
  test: {path: test.txt, root: pictures/}
  # classes: my-pictures/                    # in place of both, with split: 0.8
  preprocess: {crop: 224, order: bgr, mean: [104, 117, 123]}
  augment:
    resizedCrop: {size: 224, scale: [0.3, 1], ratio: [0.75, 1.33]}
    padAndCrop: 4                            # pixels
    crop: 224                                # anywhere in the picture
    flip: true
    colorJitter: {brightness: 0.2, contrast: 0.2, saturation: 0.2}
  fromScratch: false
  epochs: [0, 1, 2, 1]                       # or {float: 5} for some of float, convolutions, activations, fused
  rates: [0.01, 0.005, 0.005, 0.001]
  batch: 32
  momentum: 0.9
  weightDecay: 0.0001
  distill: {share: 0.5, temperature: 4}      # leave it out for none
  learnCaps: false
  clipBias: false
  maxNorm: 3                                 # leave it out for none
  seed: 0
  threads: 0
  device: cpu
  out: tuned/`;

type Flags = CommonFlags &
  PreprocessFlags &
  ChipFlags &
  LimitFlags & {
    readonly target?: string;
    readonly train?: string;
    readonly test?: string;
    readonly classes?: string;
    readonly split: number;
    readonly root?: string;
    readonly testRoot?: string;
    readonly label?: string;
    readonly out?: string;
    readonly fromScratch?: true;
    readonly epochs?: readonly number[];
    readonly rates?: readonly number[];
    readonly batch: number;
    readonly momentum: number;
    readonly weightDecay: number;
    readonly flip?: true;
    readonly padAndCrop?: number;
    readonly distill?: number;
    readonly temperature: number;
    readonly learnCaps?: true;
    readonly testLimit?: number;
    readonly trainLimit?: number;
  };

export function finetuneCommand(shell: Shell): Command {
  const command = createCommand(
    "finetune",
    "Train a network for a chip of few bits, and convert it.",
    details,
  );
  addModelArguments(command).addHelpText("after", recipeHelp);
  addFlags(command);
  addPreprocessFlags(command);
  return addCommonFlags(command, examples).action(
    async (model: string, weights: string | undefined, flags: Flags) => {
      if (weights === undefined && /\.(ya?ml|json)$/i.test(model)) {
        return await runRecipe(command, shell, model, flags);
      }
      const target = required(command, flags.target, "--target <name>");
      const out = pathIn(shell.io, required(command, flags.out, "--out <folder>"));
      const pictures = picturesOf(command, flags, shell);
      await runJobToEnd(shell, flags, async (library, context) => {
        const preprocess = await preprocessOf(flags, library, shell.io);
        const job: FinetuneJob = {
          ...{ model: modelPaths(shell, model, weights), target, out, ...pictures },
          chip: chipOptionsOf(flags, library),
          preprocess: preprocess ?? library.defaultPreprocess,
          ownClasses: flags.classes !== undefined,
          fromScratch: flags.fromScratch === true,
          ...(flags.label !== undefined && { labels: pathIn(shell.io, flags.label) }),
          stages: stagesOf(flags, library),
          ...{ batch: flags.batch, momentum: flags.momentum, weightDecay: flags.weightDecay },
          augment: augmentationOf(flags),
          ...(flags.distill !== undefined && {
            distill: { share: flags.distill, temperature: flags.temperature },
          }),
          limits: limitsOf(flags),
          learnCaps: flags.learnCaps === true,
          shouldStop: () => shell.io.signal.aborted,
        };
        return await library.finetuneJob(job, context);
      });
    },
  );
}

/** All that is to be done stands in a file. */
async function runRecipe(
  command: Command,
  shell: Shell,
  recipe: string,
  flags: Flags,
): Promise<void> {
  const overrides = overridesOf(command, flags);
  const job = {
    ...{ recipe: pathIn(shell.io, recipe), overrides },
    shouldStop: () => shell.io.signal.aborted,
  };
  await runJobToEnd(shell, flags, (library, context) => library.finetuneRecipe(job, context));
}

function addFlags(command: Command): void {
  addChipFlags(
    command
      .optionsGroup("Chip:")
      .option("--target <name>", "needed: gti2801, gti2803 or gti5801")
      .option("--out <folder>", "needed: where the result goes, and the states of the training")
      .option("--label <file>", "names of the classes, a line each: ID NAME"),
  );
  command
    .optionsGroup("Pictures:")
    .option("--train <path>", `needed: ${imageSource}`)
    .option("--test <path>", "needed: pictures that judge")
    .option(
      "--classes <folder>",
      "in place of both: a folder per class; the last layer is replaced",
    )
    .option("--split <share>", "with --classes: share that trains", parseShare, 0.8)
    .option("--root <folder>", "what names in the list of --train are relative to")
    .option("--test-root <folder>", "--root of --test, where it is another")
    .option("--train-limit <n>", "at most so many pictures to train with", parseCount)
    .option("--test-limit <n>", "at most so many pictures to test with", parseCount)
    .option("--flip", "turn every second picture round, left and right")
    .option("--pad-and-crop <pixels>", "move pictures by up to so many pixels", parseCount);
  command
    .optionsGroup("Training:")
    .option("--from-scratch", "begin with random weights")
    .option(
      "--epochs <a,b,c,d>",
      "passes over the pictures in each step (default: 0,1,2,1; 5 first with --classes, 15 --from-scratch)",
      parseNumbers,
    )
    .option(
      "--rates <a,b,c,d>",
      "learning rate at the beginning of each step (default: 0.01,0.005,0.005,0.001; with --classes a tenth)",
      parseNumbers,
    )
    .option("--batch <n>", "pictures per iteration", parseCount, 32)
    .option("--momentum <x>", "share of the last step that is kept", parseFraction, 0.9)
    .option("--weight-decay <x>", "decay of the weights", parseFraction, 0.0001)
    .option("--distill <share>", "the float network teaches: share of its loss, 0..1", parseShare)
    .option("--temperature <x>", "of both networks' scores with --distill", parseFraction, 4)
    .option("--clip-bias", "keep biases within +-max|W| of their layer")
    .option("--max-norm <x>", "largest L2 norm of an output channel's weights", parseFraction)
    .option("--learn-caps", "train the caps too, in the third step");
}

/** Where the pictures come from. */
function picturesOf(
  command: Command,
  flags: Flags,
  { io }: Shell,
): { readonly train: ImageOptions; readonly test: ImageOptions } {
  const limits = [flags.trainLimit, flags.testLimit].map(
    (limit) => limit !== undefined && { limit },
  );
  const [few, fewer] = limits;
  if (flags.classes !== undefined) {
    const part = (which: "first" | "second", more: object | false | undefined): ImageOptions =>
      imagesOf(flags.classes ?? "", { split: flags.split, part: which, ...more }, io);
    return { train: part("first", few), test: part("second", fewer) };
  }
  const train = required(command, flags.train, "--train <path>");
  const test = required(command, flags.test, "--test <path>");
  const { root, testRoot = root } = flags;
  const at = (folder: string | undefined): PictureFlags =>
    folder === undefined ? {} : { root: folder };
  return {
    train: imagesOf(train, { ...at(root), ...few }, io),
    test: imagesOf(test, { ...at(testRoot), ...fewer }, io),
  };
}

function stagesOf({ epochs, rates, ...flags }: Flags, library: Library): FinetuneJob["stages"] {
  const { classStages, defaultStages, stageNames } = library;
  const isNew = flags.fromScratch === true;
  const usual = flags.classes !== undefined && !isNew ? classStages : defaultStages;
  const plans = stageNames.map((name: StageName, at: number) => {
    const plan = usual[name];
    const first = name === "float" && isNew ? 15 : plan.epochs;
    return [name, { epochs: epochs?.[at] ?? first, rate: rates?.[at] ?? plan.rate }] as const;
  });
  return Object.fromEntries(plans) as FinetuneJob["stages"];
}

function augmentationOf({ flip, padAndCrop }: Flags): Augmentation {
  return {
    ...(flip === true && { flip: true }),
    ...(padAndCrop !== undefined && { padAndCrop: { pad: padAndCrop } }),
  };
}

/** Four numbers. */
function parseNumbers(text: string): readonly number[] {
  const numbers = text.split(",").map(Number);
  if (numbers.length === 4 && numbers.every((one) => Number.isFinite(one) && one >= 0)) {
    return numbers;
  }
  throw new InvalidArgumentError("Expected four numbers, one for each step: 0,1,2,1.");
}
