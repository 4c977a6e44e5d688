/**
 * `inlay test`
 */
import { type Command, Option } from "commander";
import { addCommonFlags, type CommonFlags, createCommand, required } from "./common-flags.ts";
import { pathIn } from "./io.ts";
import { runJobToEnd, type Shell } from "./run-job.ts";
import { addSolverFlags, logTo, parsePaths, type SolverFlags, tellGpu } from "./solver-flags.ts";
import { parseCount } from "./values.ts";

const details = `Stands for caffe test, and takes its flags. Prints the outputs of each batch and their means; accuracies come with
their 95 % interval.`;

const examples = [
  "inlay test --model=net_train.prototxt --weights=snapshot_iter_10000.caffemodel --iterations=100",
  "inlay test -model net_train.prototxt -weights net.caffemodel -gpu 0",
];

type Flags = CommonFlags &
  SolverFlags & {
    readonly model?: string;
    readonly weights?: string;
    readonly iterations: number;
    readonly phase: "train" | "test";
  };

export function testCommand(shell: Shell): Command {
  const command = createCommand(
    "test",
    "Losses and accuracies of a Caffe training network.",
    details.replaceAll("\n", " "),
  );
  command
    .option("--model <file>", "needed: the training prototxt, with its own data layer")
    .option("--weights <files>", "needed: caffemodel, or several: a,b")
    .option("--iterations <n>", "batches to look at", parseCount, 50)
    .addOption(
      new Option("--phase <name>", "whose layers are taken")
        .choices(["train", "test"])
        .default("test"),
    );
  addSolverFlags(command);
  return addCommonFlags(command, examples).action(async (flags: Flags) => {
    const { io } = shell;
    const model = pathIn(io, required(command, flags.model, "--model <file>"));
    const weights = parsePaths(required(command, flags.weights, "--weights <files>"), io);
    await runJobToEnd(shell, flags, async (library, context) => {
      if (context.onWarning !== undefined) tellGpu(flags, flags.device, context.onWarning);
      const phase = flags.phase === "train" ? "TRAIN" : "TEST";
      return await library.testJob(
        {
          ...{ model, weights, iterations: flags.iterations, folder: io.cwd, phase },
          ...{ level: flags.level, stages: flags.stage },
          onLine: flags.json ? undefined : logTo(io),
          shouldStop: () => io.signal.aborted,
        },
        context,
      );
    });
  });
}
