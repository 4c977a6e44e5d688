/**
 * What `train` and `test` have in common: flags as `caffe` takes them, and where their log goes.
 */
import type { Command } from "commander";
import type { OnWarning } from "../index.ts";
import { takeGflags } from "./gflags.ts";
import { type Io, pathIn } from "./io.ts";
import { parseCountOrZero } from "./values.ts";

export type SolverFlags = {
  readonly gpu?: string;
  readonly level?: number;
  readonly stage?: readonly string[];
};

/** Adds them; the command then takes all of its flags with one dash or two. */
export function addSolverFlags(command: Command): Command {
  return takeGflags(command)
    .option("--level <n>", "level for the layers' include and exclude rules", parseCountOrZero)
    .option("--stage <name,...>", "stages for them", parseWords)
    .option("--gpu <ids>", "taken as caffe has it; what computes is up to --device");
}

/** `a,b` */
function parseWords(text: string): readonly string[] {
  return text.split(",").filter((word) => word !== "");
}

/** Tells that `-gpu` chooses nothing. */
export function tellGpu({ gpu }: SolverFlags, device: string, onWarning: OnWarning): void {
  if (gpu === undefined || device !== "cpu") return;
  const message = `--gpu ${gpu} chooses nothing here: --device decides, and it is ${device}`;
  onWarning({ id: "gpu-flag", message });
}

/** `a.caffemodel,b.caffemodel` as paths. */
export function parsePaths(text: string, io: Io): readonly string[] {
  return parseWords(text).map((path) => pathIn(io, path));
}

/** Writes lines of a log to stdout, after the progress line is cleared. */
export function logTo(io: Io): (line: string) => void {
  const clearLine = io.isTty.stderr ? "\r\u001b[K" : "";
  return (line) => {
    if (clearLine !== "") io.stderr(clearLine);
    io.stdout(`${line}\n`);
  };
}
