/**
 * `inlay demo`
 */
import { join } from "node:path";
import type { Command } from "commander";
import { addCommonFlags, type CommonFlags, createCommand } from "./common-flags.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";

const examples = ["inlay demo", "inlay demo --out somewhere/ --seed 7"];

const details = [
  "Draws labelled pictures of ten classes, trains a small network on them from random weights, and brings it to the GTI",
  "2803 with weights of 2 bits, with and without training for it, and to int8. Takes half a minute.",
].join(" ");

type Flags = CommonFlags & { readonly out: string };

export function demoCommand(shell: Shell): Command {
  const command = createCommand(
    "demo",
    "Do the whole job on an example made here: needs no files.",
    details,
  ).option("--out <folder>", "where everything goes", "demo-out");
  return addCommonFlags(command, examples).action(async (flags: Flags) => {
    const out = pathIn(shell.io, flags.out);
    await runJob(
      shell,
      flags,
      (library, context) => library.runDemo({ out }, context),
      () => nextSteps(flags.out),
    );
  });
}

/** What to look at and what to type, with paths as the user wrote the folder's. */
export function nextSteps(out: string): string {
  const at = (name: string): string => {
    const path = join(out, name);
    return /\s/.test(path) ? `"${path}"` : path;
  };
  const pictures = `--train ${at("train.bin")} --test ${at("test.bin")} --crop 28 --scale 1/128`;
  const lines = [
    `open ${at("quantized/report.html")} in a browser: int8 layer by layer, with charts`,
    `npx inlay evaluate ${at("tuned/")} --images ${at("test.bin")}`,
    `npx inlay finetune ${at("network.onnx")} --target gti5801 --bits 1 ${pictures} --out ${at("5801/")}`,
  ];
  return `\nNext\n${lines.map((line) => `  ${line}\n`).join("")}`;
}
