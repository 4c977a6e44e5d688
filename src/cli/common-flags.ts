/**
 * Flags that every command has, and how its help looks.
 */
import { Command, Option } from "commander";
import type { Device } from "../index.ts";
import { parseCountOrZero, parseSeed, parseShape } from "./values.ts";

export type CommonFlags = {
  readonly json?: true;
  readonly quiet?: true;
  readonly seed: number;
  readonly threads: number;
  readonly device: Device;
  readonly inputShape?: readonly number[];
};

const devices: readonly Device[] = ["cpu", "webgpu", "cuda"];

/** A command with its name, its line in the overview, and what else its own help says of it. */
export function createCommand(name: string, summary: string, details = ""): Command {
  return new Command(name)
    .summary(summary)
    .description(`${summary} ${details}`.trim())
    .showHelpAfterError(`(inlay ${name} --help says more)`)
    .helpOption("-h, --help", "print this help");
}

/** Adds `--json` and its kind, and the examples below the help. */
export function addCommonFlags(command: Command, examples: readonly string[]): Command {
  return command
    .optionsGroup("Common options:")
    .option("--json", "print the result as JSON")
    .option("--seed <n>", "seed of everything random", parseSeed, 0)
    .option(
      "--threads <n>",
      "threads of one inference; 0: as many as there are",
      parseCountOrZero,
      0,
    )
    .addOption(
      new Option("--device <name>", "what computes").choices(devices).default("cpu" as const),
    )
    .option("--quiet", "no progress on stderr")
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  ${line}`).join("\n")}\n`);
}

/** A flag that must be there. Checked here and not by commander, which would not name a misspelt flag first. */
export function required(command: Command, value: string | undefined, flag: string): string {
  return value ?? command.error(`error: ${flag} is missing`);
}

/** `MODEL [WEIGHTS]` */
export function addModelArguments(command: Command): Command {
  command
    .argument("<model>", "net.onnx, or deploy.prototxt (a train_val net will do too)")
    .argument("[weights]", "net.caffemodel, to a prototxt");
  return addInputShape(command);
}

export function addInputShape(command: Command): Command {
  return command.option(
    "--input-shape <n,c,h,w>",
    "the network's input, where its file does not tell",
    parseShape,
  );
}
