/**
 * Failures as text and exit code: 1 where the work failed, 2 where the call or a file is wrong, 130
 * after Ctrl-C.
 */
import { CommanderError } from "commander";
import type { ErrorFields } from "../index.ts";
import { Interrupted } from "./interrupted.ts";
import type { Io } from "./io.ts";
import { printable, styleFor } from "./text.ts";

export const exitCodes: {
  readonly ok: 0;
  readonly failed: 1;
  readonly wrong: 2;
  readonly interrupted: 130;
} = { ok: 0, failed: 1, wrong: 2, interrupted: 130 };

/** Prints the failure and gives the exit code. */
export function reportFailure(cause: unknown, io: Io): number {
  if (cause instanceof Interrupted) {
    io.stderr("interrupted\n");
    return exitCodes.interrupted;
  }
  // Commander has printed its message, or the help that was asked for.
  if (cause instanceof CommanderError) return cause.exitCode === 0 ? exitCodes.ok : exitCodes.wrong;
  const head = styleFor(io, "stderr")("bad", "error:");
  const fields = fieldsOf(cause);
  if (fields !== undefined && cause instanceof Error) {
    io.stderr(`${head} ${printableLines(cause.message)}\n`);
    return fields.kind === "work" ? exitCodes.failed : exitCodes.wrong;
  }
  const lines = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  io.stderr(`${head} this is a bug in Inlay; please report it with the lines below\n`);
  io.stderr(`${printableLines(lines)}\n`);
  return exitCodes.failed;
}

function printableLines(text: string): string {
  return text.split(/\r?\n/).map(printable).join("\n");
}

/** The fields of a foreseen failure. By name, because the class comes with the library, which may not be loaded. */
function fieldsOf(cause: unknown): ErrorFields | undefined {
  if (!(cause instanceof Error) || cause.name !== "InlayError" || !("fields" in cause)) {
    return undefined;
  }
  return cause.fields as ErrorFields;
}
