/**
 * The commands together, and where commander writes.
 */
import { Command } from "commander";
import { calibrateCommand } from "./calibrate.ts";
import { calibrateQuantReluCommand } from "./calibrate-quant-relu.ts";
import { checkCommand } from "./check.ts";
import { compareCommand } from "./compare.ts";
import { convertCommand } from "./convert.ts";
import { datasetCommand } from "./dataset.ts";
import { demoCommand } from "./demo.ts";
import { evaluateCommand } from "./evaluate.ts";
import { finetuneCommand } from "./finetune.ts";
import { inspectCommand } from "./inspect.ts";
import { quantizeCommand } from "./quantize.ts";
import { refineNetworkCommand } from "./refine-network.ts";
import { runCommand } from "./run.ts";
import type { Shell } from "./run-job.ts";
import { testCommand } from "./test.ts";
import { trainCommand } from "./train.ts";

const commands = [
  inspectCommand,
  checkCommand,
  evaluateCommand,
  calibrateCommand,
  quantizeCommand,
  compareCommand,
  convertCommand,
  runCommand,
  trainCommand,
  testCommand,
  calibrateQuantReluCommand,
  refineNetworkCommand,
  datasetCommand,
  finetuneCommand,
  demoCommand,
];

const overview = `
The usual order:
  inlay inspect deploy.prototxt net.caffemodel
  inlay evaluate deploy.prototxt net.caffemodel --images val/labels.txt --crop 227 --order bgr --mean 104,117,123
  inlay quantize deploy.prototxt net.caffemodel --calibrate calib/ --out out/ --crop 227 --order bgr --mean 104,117,123
  inlay evaluate out/ --images val/labels.txt
  inlay compare out/ --images val/labels.txt --limit 50

inlay COMMAND --help has the flags and more examples. Exit codes: 0 done, 1 the work failed,
2 wrong usage or a file that is not what it should be.
`;

/** Widest help; narrower terminals get their own width. */
const helpColumns = 100;

export function createProgram(shell: Shell): Command {
  const program = new Command("inlay")
    .description("Sets trained networks into chips: import, calibrate, quantize, simulate, report.")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .option("-V, --version", "print the version")
    .addHelpText("after", overview);
  for (const command of commands) program.addCommand(command(shell));
  for (const command of withInner(program)) configure(command, shell);
  return program;
}

/** A command and all below it. */
function withInner(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withInner)];
}

function configure(command: Command, { io }: Shell): void {
  const width = Math.min(helpColumns, io.columns ?? helpColumns);
  command.exitOverride().configureOutput({
    writeOut: io.stdout,
    writeErr: io.stderr,
    getOutHelpWidth: () => width,
    getErrHelpWidth: () => width,
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  });
}
