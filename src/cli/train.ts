/**
 * `inlay train`
 */
import { type Command, Option } from "commander";
import type { TrainJob } from "../index.ts";
import { addCommonFlags, type CommonFlags, createCommand, required } from "./common-flags.ts";
import { pathIn } from "./io.ts";
import { type LimitFlags, limitsOf } from "./limit-flags.ts";
import { runJobToEnd, type Shell } from "./run-job.ts";
import { addSolverFlags, logTo, parsePaths, type SolverFlags, tellGpu } from "./solver-flags.ts";
import { parseFraction } from "./values.ts";

const details = `Stands for caffe train, and takes its flags. Prints the lines that scripts read from Caffe's log, and writes snapshots
that Caffe reads, the same as JSON lines (PREFIX.jsonl) and a page with curves (PREFIX.html). Ctrl-C ends with a snapshot;
a run that goes on from one ends in the same weights as if it had never stopped.`;

const examples = [
  "inlay train --solver=solver.prototxt",
  "inlay train --solver=solver.prototxt --weights=mobilenet224.caffemodel -gpu 0",
  "inlay train --solver=solver.prototxt --snapshot=snapshot_iter_10000.solverstate",
  "inlay train --solver=solver.prototxt --resume   # from the newest snapshot, if there is one",
];

type Flags = CommonFlags &
  SolverFlags & {
    readonly solver?: string;
    readonly weights?: string;
    readonly snapshot?: string;
    readonly resume?: true;
    readonly ignoreShapeMismatch?: true;
    readonly report?: string | false;
  } & LimitFlags;

/** What caffe may do on a signal. */
const effects = ["snapshot", "stop", "none"];

export function trainCommand(shell: Shell): Command {
  const command = createCommand("train", "Train by a Caffe solver.", details.replaceAll("\n", " "));
  command
    .option("--solver <file>", "needed: the solver's prototxt")
    .option("--weights <files>", "caffemodels to begin with, a,b: layers are found by name")
    .option("--ignore-shape-mismatch", "layers of other shapes than in --weights begin anew")
    .option("--snapshot <file>", "the .solverstate to go on from; its caffemodel lies beside it")
    .option("--resume", "go on from the newest snapshot of the solver's prefix")
    .option("--report <file>", "where the page goes")
    .option("--no-report", "no page")
    .option("--clip-bias", "keep biases within +-max|W| of their layer, which Caffe has not")
    .option(
      "--max-norm <x>",
      "largest L2 norm of an output channel's weights, nor this",
      parseFraction,
    )
    .addOption(new Option("--sigint-effect <what>", "").choices(effects).hideHelp())
    .addOption(new Option("--sighup-effect <what>", "").choices(effects).hideHelp());
  addSolverFlags(command);
  return addCommonFlags(command, examples).action(async (flags: Flags) => {
    const job = jobOf(command, shell, flags);
    await runJobToEnd(shell, flags, async (library, context) => {
      if (context.onWarning !== undefined) tellGpu(flags, flags.device, context.onWarning);
      return await library.trainJob(job, context);
    });
  });
}

function jobOf(command: Command, { io }: Shell, flags: Flags): TrainJob {
  const { weights, snapshot, report } = flags;
  return {
    solver: pathIn(io, required(command, flags.solver, "--solver <file>")),
    folder: io.cwd,
    weights: weights === undefined ? undefined : parsePaths(weights, io),
    snapshot: snapshot === undefined ? undefined : pathIn(io, snapshot),
    resume: flags.resume,
    ignoreShapeMismatch: flags.ignoreShapeMismatch,
    ...{ level: flags.level, stages: flags.stage },
    report: typeof report === "string" ? pathIn(io, report) : report,
    limits: limitsOf(flags),
    onLine: flags.json ? undefined : logTo(io),
    shouldStop: () => io.signal.aborted,
  };
}
