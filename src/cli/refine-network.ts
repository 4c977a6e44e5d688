/**
 * `inlay refine-network`
 */
import { type Command, InvalidArgumentError } from "commander";
import { addCommonFlags, type CommonFlags, createCommand } from "./common-flags.ts";
import { addTrainFlags, type TrainFlags, trainFilesOf } from "./mdk-flags.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseCount, parseFraction, parseNumbers } from "./values.ts";

const details = `Stands for the GTI kit's RefineNetwork.py: merges batch norms and the pictures' mean, edits the gains so that every
cap is the chip's, and switches all roundings on. Each step is held against the network before it, on one
batch. Writes Refined/NAME_refined.prototxt and .caffemodel, and appends to RefineNet.log, in the current
folder; comments of the prototxt are lost.`;

const examples = [
  "inlay refine-network --prototxt=net_quantRelu.prototxt --caffemodel=snapshot_iter_15000.caffemodel",
  "inlay refine-network --prototxt=net_train.prototxt --caffemodel=net.caffemodel --last_layer_10bit=1",
];

type Flags = CommonFlags &
  TrainFlags & {
    readonly inputScale?: number;
    readonly imageMeans?: readonly number[];
    readonly actBits?: number;
    readonly lastLayer10bit?: boolean;
  };

export function refineNetworkCommand(shell: Shell): Command {
  const command = createCommand(
    "refine-network",
    "Bring a calibrated GTI training network into the chip's units.",
    details.replaceAll("\n", " "),
  );
  addTrainFlags(command)
    .option(
      "--input-scale <x>",
      "real size of one of the input's levels 0..31 (default: by the data layer; like the kit 1)",
      parseFraction,
    )
    .option(
      "--image-means <m,...>",
      "means that training took off, in levels (default: by the data layer; like the kit none)",
      parseNumbers,
    )
    .option(
      "--act-bits <n>",
      "bits of the activations, 5 or 10 (default: the layers' own; like the kit 5)",
      parseCount,
    )
    .option(
      "--last-layer-10bit [0|1]",
      "10 bits, in steps of 1/32, for the last activation",
      parseSwitch,
    );
  return addCommonFlags(command, examples).action(async (flags: Flags) => {
    const files = trainFilesOf(command, shell, flags);
    const { inputScale, imageMeans, actBits, lastLayer10bit } = flags;
    const job = { ...files, inputScale, imageMeans, actBits, lastLayer10bit };
    await runJob(shell, flags, (library, context) => library.refineNetworkJob(job, context));
  });
}

/** As the kit's scripts take switches. */
function parseSwitch(text: string): boolean {
  const word = text.toLowerCase();
  if (word === "1" || word === "true") return true;
  if (word === "0" || word === "false") return false;
  throw new InvalidArgumentError("Expected 0 or 1.");
}
