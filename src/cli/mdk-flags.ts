/**
 * Flags of the commands that stand for the GTI kit's training scripts.
 */
import { type Command, Option } from "commander";
import { required } from "./common-flags.ts";
import { takeGflags } from "./gflags.ts";
import { pathIn } from "./io.ts";
import type { Shell } from "./run-job.ts";

export type TrainFlags = {
  readonly prototxt?: string;
  readonly caffemodel?: string;
  readonly phase: "train" | "test";
  readonly likeMdk?: true;
  readonly force?: true;
};

/** Adds the files of a training network, and what both commands have. */
export function addTrainFlags(command: Command): Command {
  return takeGflags(command)
    .option("--prototxt <file>", "training prototxt, with its own data layer")
    .option("--caffemodel <file>", "its weights")
    .addOption(
      new Option("--phase <name>", "whose data layer gives the pictures")
        .choices(["train", "test"])
        .default("test"),
    )
    .option("--like-mdk", "as the kit's script does it, its oddities included")
    .option("--force", "write over existing files");
}

/** What both jobs take, checked. */
export function trainFilesOf(
  command: Command,
  { io }: Shell,
  flags: TrainFlags,
): {
  readonly prototxt: string;
  readonly caffemodel: string;
  readonly folder: string;
  readonly phase: "TRAIN" | "TEST";
  readonly likeMdk: boolean;
  readonly force: boolean;
} {
  return {
    prototxt: pathIn(io, required(command, flags.prototxt, "--prototxt <file>")),
    caffemodel: pathIn(io, required(command, flags.caffemodel, "--caffemodel <file>")),
    folder: io.cwd,
    phase: flags.phase === "train" ? "TRAIN" : "TEST",
    likeMdk: flags.likeMdk === true,
    force: flags.force === true,
  };
}
