/**
 * `inlay inspect`
 */
import type { Command } from "commander";
import {
  addCommonFlags,
  addModelArguments,
  type CommonFlags,
  createCommand,
} from "./common-flags.ts";
import { pathIn } from "./io.ts";
import { runJob, type Shell } from "./run-job.ts";

const examples = ["inlay inspect deploy.prototxt net.caffemodel", "inlay inspect net.onnx --json"];

export function inspectCommand(shell: Shell): Command {
  const command = createCommand(
    "inspect",
    "Show a network as it was read.",
    "Layers, shapes, parameters, MACs, memory, what is unusual.",
  );
  addModelArguments(command);
  return addCommonFlags(command, examples).action(
    async (model: string, weights: string | undefined, flags: CommonFlags) => {
      const paths = modelPaths(shell, model, weights);
      await runJob(shell, flags, (library, context) =>
        library.inspectJob({ model: paths }, context),
      );
    },
  );
}

/** The positionals as the library takes them. */
export function modelPaths(
  { io }: Shell,
  model: string,
  weights: string | undefined,
): readonly string[] {
  return [model, ...(weights === undefined ? [] : [weights])].map((path) => pathIn(io, path));
}
