/**
 * `inlay run MODEL PICTURES`: the half of `run` that simulates a converted network. run.ts has recipes.
 */
import { extname } from "node:path";
import { type Command, Option } from "commander";
import type { RunModelJob } from "../index.ts";
import type { CommonFlags } from "./common-flags.ts";
import { imagesOf, type PictureFlags } from "./image-flags.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";
import { parseCount } from "./values.ts";

export type AccumulatorFlags = {
  readonly accumulatorBits?: number;
  readonly overflow?: "saturate" | "wrap";
};

export type ModelFlags = CommonFlags & AccumulatorFlags & Pick<PictureFlags, "limit" | "root">;

/** True where the words ask for a model and not for a recipe. */
export function isModelRun(first: string, pictures: string | undefined): boolean {
  return pictures !== undefined || extname(first).toLowerCase() === ".model";
}

export function addAccumulatorFlags(command: Command): Command {
  return command
    .option("--accumulator-bits <n>", "a narrower accumulator than exact", parseCount)
    .addOption(
      new Option("--overflow <way>", "what sums beyond it do (default: saturate)").choices([
        "saturate",
        "wrap",
      ]),
    );
}

export function accumulatorOf({
  accumulatorBits: bits,
  overflow = "saturate",
}: AccumulatorFlags): RunModelJob["accumulator"] {
  return bits === undefined ? undefined : { bits, overflow };
}

export async function runModel(
  shell: Shell,
  model: string,
  pictures: string | undefined,
  flags: ModelFlags,
): Promise<void> {
  const { io } = shell;
  await runJob(shell, flags, (library, context) => {
    if (pictures === undefined) {
      throw library.usageError("which pictures?", { hint: "inlay run out.model picture.jpg" });
    }
    const images = imagesOf(pictures, flags, io);
    const accumulator = accumulatorOf(flags);
    return library.runModelJob({ model: pathIn(io, model), images, accumulator }, context);
  });
}
