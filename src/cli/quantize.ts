/**
 * `inlay quantize`
 */
import { type Command, Option } from "commander";
import type { ImageOptions, QuantizeJob, QuantizeOptions, WeightRounding } from "../index.ts";
import { addMethodFlag, type MethodFlag } from "./calibrate.ts";
import { addChipFlags, type ChipFlags, chipOptionsOf } from "./chip-flags.ts";
import {
  addCommonFlags,
  addModelArguments,
  type CommonFlags,
  createCommand,
  required,
} from "./common-flags.ts";
import { addPictureFlags, imageSource, imagesOf, type PictureFlags } from "./image-flags.ts";
import { modelPaths } from "./inspect.ts";
import { pathIn } from "./io.ts";
import type { Library } from "./library.ts";
import { addPreprocessFlags, type PreprocessFlags, preprocessOf } from "./preprocess-flags.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseCount, parseCountOrZero, parseNumber } from "./values.ts";

const examples = [
  "inlay quantize deploy.prototxt net.caffemodel --calibrate calib/ --out out/ --crop 227 --order bgr --mean 104,117,123",
  "inlay quantize net.onnx --calibrate calib/ --evaluate val/labels.txt --out out/ --resize 256 --crop 224",
  "inlay quantize deploy.prototxt net.caffemodel --target gti2803 --bits 12 --calibrate calib/ --out out/ --crop 224 --order bgr",
  "inlay quantize net.onnx --calibrate photos/ --evaluate photos/ --split 0.2 --out out/   # 20 % calibrate, the others judge",
];

type QuantizeFlags = {
  readonly target: string;
  readonly calibrate?: string;
  readonly evaluate?: string;
  readonly evaluateRoot?: string;
  readonly evaluateLimit?: number;
  readonly out?: string;
  readonly weights?: QuantizeOptions["weights"]["unit"];
  readonly powerOfTwo?: true;
  readonly activations?: "unsigned" | "signed";
  readonly symmetric?: true;
  readonly biasCorrection: boolean;
  readonly label?: string;
  readonly capPercentile?: number;
  readonly equalize: boolean;
  readonly channelCopies?: number;
  readonly rounding?: WeightRounding;
  readonly shiftMax?: number;
  readonly accumulatorBits?: number;
  readonly debug?: true;
};

type Flags = CommonFlags & PreprocessFlags & PictureFlags & MethodFlag & ChipFlags & QuantizeFlags;

export function quantizeCommand(shell: Shell): Command {
  const command = createCommand(
    "quantize",
    "Rewrite a network into integers, and report how good they are.",
    "Writes quantized.onnx, ranges.json, report.json, report.html and manifest.json.",
  );
  addModelArguments(command);
  addQuantizeFlags(command);
  addPreprocessFlags(command);
  return addCommonFlags(command, examples).action(
    async (model: string, weights: string | undefined, flags: Flags) => {
      const source = required(command, flags.calibrate, "--calibrate <path>");
      const out = pathIn(shell.io, required(command, flags.out, "--out <folder>"));
      await runJob(shell, flags, async (library, context) => {
        const preprocess = await preprocessOf(flags, library, shell.io);
        const evaluate = evaluationOf(flags, shell);
        const job = {
          model: modelPaths(shell, model, weights),
          target: flags.target,
          calibrate: imagesOf(source, flags, shell.io),
          ...(evaluate === undefined ? {} : { evaluate }),
          preprocess: preprocess ?? library.defaultPreprocess,
          method: flags.method ?? library.defaultCalibrationMethod,
          everyPixel: flags.everyPixel,
          options: optionsOf(flags, library.defaultQuantizeOptions),
          out,
          ...chipJobOf(flags, library, shell),
        };
        const isChip = library.targetNamed(flags.target).form === "layered";
        return isChip
          ? await library.quantizeChipJob(job, context)
          : await library.quantizeJob(job, context);
      });
    },
  );
}

function addQuantizeFlags(command: Command): void {
  command
    .optionsGroup("Quantization:")
    .option("--calibrate <path>", `needed: pictures that teach the ranges: ${imageSource}`)
    .option("--out <folder>", "needed: where the result goes; files of the same names are replaced")
    .option("--evaluate <path>", "labelled pictures: accuracy, float against quantized")
    .option("--target <name>", "what the network is made for", "int8");
  addMethodFlag(command)
    .addOption(
      new Option(
        "--weights <unit>",
        "weight scales per output channel or per tensor (default: channel)",
      ).choices(["channel", "tensor"]),
    )
    .option("--power-of-two", "scales of weights and activations are powers of two")
    .addOption(
      new Option("--activations <sign>", "integers of the activations (default: unsigned)").choices(
        ["unsigned", "signed"],
      ),
    )
    .option("--symmetric", "activations without a free zero point")
    .option("--no-bias-correction", "leave the biases as they are");
  addChipFlags(command.optionsGroup("For a chip (--target gti2801, gti2803, gti5801):"))
    .option("--label <file>", "names of the classes, a line each: ID NAME")
    .option(
      "--cap-percentile <percent>",
      "caps that so many per cent of the values stay below (default: by the squared error)",
      parseNumber,
    )
    .option("--no-equalize", "leave the channels as they are")
    .option(
      "--channel-copies <n>",
      "up to 2, 4 or 8 copies of channels where the chip has room: finer levels together (default: 1)",
      parseCount,
    )
    .addOption(
      new Option(
        "--rounding <how>",
        "of weights: each makes good what others lost, or each alone (default: compensated for 8 bits)",
      ).choices(["compensated", "nearest"]),
    )
    .option("--shift-max <n>", "largest shift (default: the chip's)", parseCountOrZero)
    .option("--accumulator-bits <n>", "ask about narrower sums (default: 32)", parseCount)
    .option("--debug", "write the intermediate files too");
  addPictureFlags(command.optionsGroup("Pictures:"))
    .option("--evaluate-root <folder>", "--root of --evaluate, where it is another")
    .option("--evaluate-limit <n>", "at most so many pictures of --evaluate", parseCount);
}

/**
 * The pictures of `--evaluate`. Of one source for both, the split gives calibration its part and the evaluation
 * the other; of two sources, the evaluation takes the whole of its own.
 */
function evaluationOf(flags: Flags, { io }: Shell): ImageOptions | undefined {
  if (flags.evaluate === undefined) return undefined;
  const { split, part = "first", root, labels } = flags;
  const isShared = flags.evaluate === flags.calibrate && split !== undefined;
  const folder = flags.evaluateRoot ?? root;
  const limit = flags.evaluateLimit;
  const pictures: PictureFlags = {
    ...(folder === undefined ? {} : { root: folder }),
    ...(labels === undefined ? {} : { labels }),
    ...(limit === undefined ? {} : { limit }),
    ...(isShared ? { split, part: part === "first" ? "second" : "first" } : {}),
  };
  return imagesOf(flags.evaluate, pictures, io);
}

/** What only a chip of major layers is asked. */
function chipJobOf(flags: Flags, library: Library, { io }: Shell): Partial<QuantizeJob> {
  const { label, capPercentile, method } = flags;
  const capMethod = capPercentile === undefined ? method : "percentile";
  if (capMethod === "movingAverage") {
    if (library.targetNamed(flags.target).form === "qdq") return {};
    throw library.usageError("an average over batches finds no caps for a chip", {
      expected: "--method minmax, percentile, entropy or mse",
    });
  }
  return {
    chip: chipOptionsOf(flags, library),
    labels: label === undefined ? undefined : pathIn(io, label),
    capMethod,
    capPercent: capPercentile,
    equalize: flags.equalize,
    channelCopies: flags.channelCopies,
    rounding: flags.rounding,
    shiftMax: flags.shiftMax,
    accumulatorBits: flags.accumulatorBits,
    debug: flags.debug,
  };
}

function optionsOf(flags: QuantizeFlags, defaults: QuantizeOptions): QuantizeOptions {
  const { weights, activations } = defaults;
  const powerOfTwo = flags.powerOfTwo ?? weights.powerOfTwo;
  const signed =
    flags.activations === undefined ? activations.signed : flags.activations === "signed";
  return {
    weights: { unit: flags.weights ?? weights.unit, powerOfTwo },
    activations: {
      signed,
      symmetric: flags.symmetric ?? activations.symmetric,
      powerOfTwo: flags.powerOfTwo ?? activations.powerOfTwo,
    },
    biasCorrection: flags.biasCorrection && defaults.biasCorrection,
  };
}
