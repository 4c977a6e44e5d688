/**
 * What a command may touch of the world outside: given by `bin.ts`, or by a test.
 */
import { isAbsolute, join } from "node:path";

export type Io = {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Whether a person watches the stream. */
  readonly isTty: { readonly stdout: boolean; readonly stderr: boolean };
  /** Columns of the terminal; undefined where there is none. */
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folder that relative paths start from; "" is the process's own, and leaves paths as typed. */
  readonly cwd: string;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
};

/** The path as the process can open it. */
export function pathIn(io: Io, path: string): string {
  return io.cwd === "" || isAbsolute(path) ? path : join(io.cwd, path);
}
