/**
 * `inlay calibrate`
 */
import { type Command, InvalidArgumentError, Option } from "commander";
import type { CalibrationMethod } from "../index.ts";
import {
  addCommonFlags,
  addModelArguments,
  type CommonFlags,
  createCommand,
  required,
} from "./common-flags.ts";
import { addImageFlags, imagesOf, type PictureFlags } from "./image-flags.ts";
import { modelPaths } from "./inspect.ts";
import { pathIn } from "./io.ts";
import type { Library } from "./library.ts";
import { addPreprocessFlags, type PreprocessFlags, preprocessOf } from "./preprocess-flags.ts";
import { runJob, type Shell } from "./run-job.ts";

const examples = [
  "inlay calibrate deploy.prototxt net.caffemodel --images calib/ --crop 227 --order bgr --mean 104,117,123 --csv ranges.csv",
  "inlay calibrate net.onnx --images calib/ --limit 100 --method minmax --json",
];

export type MethodFlag = { readonly method?: CalibrationMethod; readonly everyPixel?: true };

type Flags = CommonFlags &
  PreprocessFlags &
  PictureFlags &
  MethodFlag & { readonly images?: string; readonly csv?: string };

/** Flag values, in kebab case as flags are, and the library's names. */
const methods: Readonly<Record<string, CalibrationMethod>> = {
  minmax: "minmax",
  "moving-average": "movingAverage",
  percentile: "percentile",
  entropy: "entropy",
  mse: "mse",
};

export function addMethodFlag(command: Command): Command {
  const names = Object.keys(methods);
  return command
    .addOption(
      new Option("--method <name>", "how a range is chosen from what was seen (default: mse)")
        .choices(names)
        .argParser((name) => methodOf(name, names)),
    )
    .option(
      "--every-pixel",
      "histograms of all values, not of a sample: two to three times slower",
    );
}

function methodOf(name: string, names: readonly string[]): CalibrationMethod {
  const found = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (found === undefined)
    throw new InvalidArgumentError(`Allowed choices are ${names.join(", ")}.`);
  return found;
}

export function calibrateCommand(shell: Shell): Command {
  const command = createCommand("calibrate", "Learn the range of every tensor from pictures.");
  addModelArguments(command);
  addMethodFlag(command.optionsGroup("Calibration:")).option(
    "--csv <file>",
    "also write the table as CSV",
  );
  addImageFlags(command);
  addPreprocessFlags(command);
  return addCommonFlags(command, examples).action(
    async (model: string, weights: string | undefined, flags: Flags) => {
      const paths = modelPaths(shell, model, weights);
      const source = required(command, flags.images, "--images <path>");
      const images = imagesOf(source, flags, shell.io);
      await runJob(shell, flags, async (library, context) => {
        const given = await preprocessOf(flags, library, shell.io);
        const preprocess = given ?? library.defaultPreprocess;
        const method = flags.method ?? library.defaultCalibrationMethod;
        const { everyPixel } = flags;
        const job = { model: paths, images, preprocess, method, everyPixel };
        const report = await library.calibrateJob(job, context);
        if (flags.csv !== undefined) await writeCsv(library, pathIn(shell.io, flags.csv), report);
        return report;
      });
    },
  );
}

async function writeCsv(
  library: Library,
  path: string,
  report: Parameters<Library["rangesCsv"]>[0],
): Promise<void> {
  await library.writeFileAtomic(path, library.rangesCsv(report));
}
