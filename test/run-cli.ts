/**
 * The command line as a function, for tests: what it printed, and its exit code.
 */
import { main } from "../src/cli/main.ts";

export type Outcome = { readonly code: number; readonly out: string; readonly err: string };

/** Runs `inlay ...argv` in a folder, without a terminal. */
export async function runCli(cwd: string, argv: readonly string[]): Promise<Outcome> {
  let [out, err] = ["", ""];
  const code = await main(argv, {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    isTty: { stdout: false, stderr: false },
    columns: undefined,
    env: {},
    cwd,
    signal: new AbortController().signal,
  });
  return { code, out, err };
}
