/**
 * `inlay calibrate-quant-relu`
 */
import type { Command } from "commander";
import { addCommonFlags, type CommonFlags, createCommand } from "./common-flags.ts";
import { addTrainFlags, type TrainFlags, trainFilesOf } from "./mdk-flags.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseCount, parseNumber } from "./values.ts";

const details = `Stands for the GTI kit's CalibrateQuantReLU.py. The cap is the value at the percentile of all outputs of the
layer. Writes QuantRelu/NAME_quantRelu.prototxt and .caffemodel, and appends to ReLUAlpha.log, in the
current folder; comments of the prototxt are lost.`;

const examples = [
  "inlay calibrate-quant-relu --prototxt=net_quantConv_train.prototxt --caffemodel=snapshot_iter_10000.caffemodel",
  "inlay calibrate-quant-relu -prototxt=net_train.prototxt -caffemodel=net.caffemodel --num_batches=50 --phase=train",
];

type Flags = CommonFlags &
  TrainFlags & { readonly numBatches?: number; readonly percentile?: number };

export function calibrateQuantReluCommand(shell: Shell): Command {
  const command = createCommand(
    "calibrate-quant-relu",
    "Choose the caps of a GTI training network's QuantReLU layers.",
    details.replaceAll("\n", " "),
  );
  addTrainFlags(command)
    .option(
      "--num-batches <n>",
      "batches of the data layer to look at (default: 20; like the kit 10)",
      parseCount,
    )
    .option(
      "--percentile <share>",
      "place of the cap among all values (default: 0.999)",
      parseNumber,
    );
  return addCommonFlags(command, examples).action(async (flags: Flags) => {
    const files = trainFilesOf(command, shell, flags);
    const { numBatches, percentile } = flags;
    await runJob(shell, flags, (library, context) =>
      library.calibrateQuantReluJob({ ...files, numBatches, percentile }, context),
    );
  });
}
