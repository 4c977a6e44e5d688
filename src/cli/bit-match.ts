/**
 * `inlay evaluate MODEL --bit-match PICTURES`: the half of `evaluate` that compares a converted network with the one that it
 * came from. evaluate.ts has accuracy.
 */
import type { Command } from "commander";
import type { CommonFlags } from "./common-flags.ts";
import { imagesOf, type PictureFlags } from "./image-flags.ts";
import { pathIn } from "./io.ts";
import { type PreprocessFlags, preprocessOf } from "./preprocess-flags.ts";
import { runJob, type Shell } from "./run-job.ts";
import { type AccumulatorFlags, accumulatorOf } from "./run-model.ts";

type OwnFlags = {
  readonly bitMatch?: string;
  readonly reference?: readonly string[];
  readonly dumps?: string;
  readonly writeDumps?: string;
  readonly force?: true;
};

export type BitMatchFlags = CommonFlags &
  PreprocessFlags &
  PictureFlags &
  AccumulatorFlags &
  OwnFlags & { readonly images?: string };

export function addBitMatchFlags(command: Command): Command {
  return command
    .option(
      "--bit-match <path>",
      "instead of accuracy: the chip's levels against the network's, the last ones of several pictures, or every layer of one",
    )
    .option(
      "--reference <files...>",
      "deploy.prototxt net.caffemodel (default: those beside the model)",
    )
    .option("--dumps <folder>", "a board's dumps of the one picture, in the simulation's place")
    .option("--write-dumps <folder>", "write the levels of both sides, and a log")
    .option("--force", "write over files that are there");
}

/** True where the flags ask for a comparison. Those that only make sense in one are refused without it. */
export function isBitMatch(command: Command, flags: BitMatchFlags): boolean {
  if (flags.bitMatch !== undefined) return true;
  const { reference, dumps, writeDumps, force } = flags;
  const [alone] =
    Object.entries({
      "--reference": reference,
      "--dumps": dumps,
      "--write-dumps": writeDumps,
      "--force": force,
    }).find(([, value]) => value !== undefined) ?? [];
  return alone === undefined ? false : command.error(`error: ${alone} goes with --bit-match`);
}

export async function runBitMatch(
  shell: Shell,
  model: string,
  weights: string | undefined,
  flags: BitMatchFlags,
): Promise<void> {
  const { io } = shell;
  const at = (path: string | undefined): string | undefined =>
    path === undefined ? undefined : pathIn(io, path);
  await runJob(shell, flags, async (library, context) => {
    if (weights !== undefined || flags.images !== undefined) {
      throw library.usageError("--bit-match takes a converted network and pictures, no more", {
        got: weights ?? "--images",
        hint: "inlay evaluate out/ --bit-match pictures/ --reference deploy.prototxt net.caffemodel",
      });
    }
    return library.bitMatchJob(
      {
        model: pathIn(io, model),
        images: imagesOf(flags.bitMatch ?? "", flags, io),
        preprocess: await preprocessOf(flags, library, io),
        reference: flags.reference?.map((path) => pathIn(io, path)),
        dumps: at(flags.dumps),
        writeDumps: at(flags.writeDumps),
        force: flags.force === true,
        accumulator: accumulatorOf(flags),
      },
      context,
    );
  });
}
