/**
 * `inlay compare`
 */
import type { Command } from "commander";
import { addCommonFlags, type CommonFlags, createCommand, required } from "./common-flags.ts";
import { addImageFlags, imagesOf, type PictureFlags } from "./image-flags.ts";
import { pathIn } from "./io.ts";
import { addPreprocessFlags, type PreprocessFlags, preprocessOf } from "./preprocess-flags.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseNumber } from "./values.ts";

const examples = [
  "inlay compare out/ --images val/labels.txt --limit 50",
  "inlay compare out/ --images calib/ --threshold 30 --json",
];

type Flags = CommonFlags &
  PreprocessFlags &
  PictureFlags & { readonly images?: string; readonly threshold: number };

export function compareCommand(shell: Shell): Command {
  const command = createCommand(
    "compare",
    "Compare float and quantized, layer by layer.",
    "Cosine, SQNR, largest error, shares saturated and underflowed, for activations and weights.",
  ).argument("<out>", "a folder that quantize wrote");
  addImageFlags(command)
    .optionsGroup("Comparison:")
    .option("--threshold <dB>", "name the first layer with less SQNR", parseNumber, 20);
  addPreprocessFlags(command);
  return addCommonFlags(command, examples).action(async (folder: string, flags: Flags) => {
    const source = required(command, flags.images, "--images <path>");
    const images = imagesOf(source, flags, shell.io);
    const out = pathIn(shell.io, folder);
    await runJob(shell, flags, async (library, context) => {
      const preprocess = await preprocessOf(flags, library, shell.io);
      const job = { out, images, preprocess, thresholdDb: flags.threshold };
      return await library.compareJob(job, context);
    });
  });
}
