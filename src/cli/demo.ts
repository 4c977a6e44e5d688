/**
 * `inlay demo`
 */
import { join } from "node:path";
import type { Command } from "commander";
import { addCommonFlags, type CommonFlags, createCommand } from "./common-flags.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";

const examples = ["inlay demo", "inlay demo --out somewhere/ --seed 7"];

type Flags = CommonFlags & { readonly out: string };

export function demoCommand(shell: Shell): Command {
  const command = createCommand(
    "demo",
    "Do the whole job on an example made here: needs no files.",
    "Draws labelled pictures of ten classes, builds a network for them, quantizes and compares it.",
  ).option("--out <folder>", "where everything goes", "demo-out");
  return addCommonFlags(command, examples).action(async (flags: Flags) => {
    const out = pathIn(shell.io, flags.out);
    const report = join(out, "quantized", "report.html");
    await runJob(
      shell,
      flags,
      (library, context) => library.runDemo({ out }, context),
      () => `\nThe report with its charts: ${report}\n`,
    );
  });
}
