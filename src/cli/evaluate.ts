/**
 * `inlay evaluate`
 */
import type { Command } from "commander";
import { addBitMatchFlags, type BitMatchFlags, isBitMatch, runBitMatch } from "./bit-match.ts";
import { addCommonFlags, addModelArguments, createCommand, required } from "./common-flags.ts";
import { addImageFlags, imagesOf } from "./image-flags.ts";
import { modelPaths } from "./inspect.ts";
import { addPreprocessFlags, preprocessOf } from "./preprocess-flags.ts";
import { runJob, type Shell } from "./run-job.ts";
import { accumulatorOf, addAccumulatorFlags } from "./run-model.ts";

const examples = [
  "inlay evaluate deploy.prototxt net.caffemodel --images val/labels.txt --crop 227 --order bgr --mean 104,117,123",
  "inlay evaluate net.onnx --images val/ --resize 256 --crop 224 --mean 123.675,116.28,103.53 --scale 1/255 --std 0.229,0.224,0.225",
  "inlay evaluate out/ --images val/labels.txt        # what quantize wrote, in exact integers",
  "inlay evaluate out.model --images val/labels.txt   # a network converted for a chip, likewise",
  "inlay evaluate out/ --bit-match pictures/ --reference deploy.prototxt net.caffemodel",
  "inlay evaluate out/ --bit-match a.jpg --dumps board/   # the first layer that differs, and why",
];

export function evaluateCommand(shell: Shell): Command {
  const command = createCommand(
    "evaluate",
    "Measure top-1 and top-5 accuracy, in float or in exact integers.",
    "A folder that quantize wrote is simulated bit for bit, with the preprocessing it was made with unless flags give another.",
  );
  addModelArguments(command);
  addImageFlags(command);
  addPreprocessFlags(command);
  addBitMatchFlags(addAccumulatorFlags(command.optionsGroup("For a chip's model:")));
  return addCommonFlags(command, examples).action(
    async (model: string, weights: string | undefined, flags: BitMatchFlags) => {
      if (isBitMatch(command, flags)) {
        await runBitMatch(shell, model, weights, flags);
        return;
      }
      const paths = modelPaths(shell, model, weights);
      const source = required(command, flags.images, "--images <path>");
      const images = imagesOf(source, flags, shell.io);
      await runJob(shell, flags, async (library, context) => {
        const preprocess = await preprocessOf(flags, library, shell.io);
        const accumulator = accumulatorOf(flags);
        return await library.evaluateJob(
          { model: paths, images, preprocess, accumulator },
          context,
        );
      });
    },
  );
}
