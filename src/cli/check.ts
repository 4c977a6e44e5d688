/**
 * `inlay check`
 */
import type { Command } from "commander";
import { addChipFlags, type ChipFlags, chipOptionsOf } from "./chip-flags.ts";
import {
  addCommonFlags,
  addModelArguments,
  type CommonFlags,
  createCommand,
  required,
} from "./common-flags.ts";
import { modelPaths } from "./inspect.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";

const examples = [
  "inlay check deploy.prototxt --target gti2803",
  "inlay check deploy.prototxt net.caffemodel --target gti2801 --bits 3,3,3,1,1",
  "inlay check deploy.prototxt --target gti2803 --chips 2 --network network.json",
  "inlay check net.onnx --target gti5801 --bits 8 --waive image-size,kernel   # to study it; no chip runs it",
];

/** A test holds it to the library's list, which is not loaded for a help. */
const rules = `
Rules: kernel, stride, padding, dilation, groups, depthwise, activation, pooling, mixed-pooling,
upsampling, shortcut, cap, image-size, input-channels, channels, coefficient-bits, activation-bits,
major-layers, sublayers, weight-memory, activation-memory, output-mode, cascade.

Exit codes: 0 it can be put on the chip, or breaks waived rules only; 1 it cannot; 2 wrong usage or
a file that is not what it should be.`;

type Flags = CommonFlags & ChipFlags & { readonly target?: string; readonly network?: string };

export function checkCommand(shell: Shell): Command {
  const command = createCommand(
    "check",
    "Say whether a GTI chip can hold a network, and all that keeps it off.",
    "Lists every broken rule at once, what runs on the host, the major layers, the memories, and a plan over several chips. Needs no weights and reads no pictures.",
  );
  addModelArguments(command);
  command
    .optionsGroup("Chip:")
    .option("--target <name>", "needed: gti2801, gti2803 or gti5801")
    .option(
      "--network <network.json>",
      "the vendor's network JSON to compare with; what it says is the default of the other flags",
    );
  addChipFlags(command).addHelpText("after", rules);
  return addCommonFlags(command, examples).action(
    async (model: string, weights: string | undefined, flags: Flags) => {
      const target = required(command, flags.target, "--target <name>");
      const paths = modelPaths(shell, model, weights);
      const network = flags.network === undefined ? undefined : pathIn(shell.io, flags.network);
      await runJob(shell, flags, async (library, context) => {
        const chip = chipOptionsOf(flags, library);
        return await library.checkJob({ model: paths, target, chip, network }, context);
      });
    },
  );
}
