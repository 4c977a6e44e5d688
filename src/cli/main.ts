/**
 * The command line as a function: arguments and a world in, exit code out.
 */
import { exitCodes, reportFailure } from "./failure.ts";
import { untilStopped } from "./interrupted.ts";
import type { Io } from "./io.ts";
import { loadLibrary } from "./library.ts";
import { createProgram } from "./program.ts";

/**
 * Runs `inlay` with these words (without the program's own name). Never throws. 0: done; 1: the work failed; 2: wrong
 * usage, or a file that is not what it should be; 130: stopped by the signal.
 */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let code: number = exitCodes.ok;
  const finish = (result: number): void => {
    code = result;
  };
  try {
    if (argv[0] === "--version" || argv[0] === "-V") {
      const { inlayVersion } = await loadLibrary();
      io.stdout(`${inlayVersion()}\n`);
      return exitCodes.ok;
    }
    let endsItself = false;
    const waitForEnd = (): void => {
      endsItself = true;
    };
    const program = createProgram({ io, argv, finish, waitForEnd });
    await untilStopped(program.parseAsync(argv, { from: "user" }), io.signal, () => endsItself);
    return code;
  } catch (cause) {
    return reportFailure(cause, io);
  }
}
