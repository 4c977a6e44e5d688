/**
 * What a run has displayed, tested and written, as JSON lines in a file beside its snapshots. A resumed run goes on in
 * the same file.
 */
import { appendFileSync } from "node:fs";
import { workError } from "../../error.ts";
import { isFile, readFileBounded, writeFileAtomic } from "../files.node.ts";
import { isRecord, type RunRecord } from "./run-record.ts";

export type RunRecords = {
  /** Those of the run before it was resumed. */
  readonly earlier: readonly RunRecord[];
  /** Adds a line. A work error where it cannot be written. */
  readonly add: (record: RunRecord) => void;
};

const maxBytes = 2 ** 29;

/**
 * Opens the file of a run that begins at an iteration: `resumed` keeps the records up to there, a new run begins with none.
 */
export async function openRecords(
  path: string,
  iteration: number,
  resumed: boolean,
): Promise<RunRecords> {
  const before = resumed && (await isFile(path)) ? await readRecords(path) : [];
  const earlier = before.filter((record) => isBefore(record, iteration));
  await writeFileAtomic(path, earlier.map(lineOf).join(""));
  return { earlier, add: (record) => append(path, lineOf(record)) };
}

/** Displays and tests at the iteration itself are done again. */
function isBefore(record: RunRecord, iteration: number): boolean {
  const isRepeated = record.type === "display" || record.type === "test";
  return isRepeated ? record.iteration < iteration : record.iteration <= iteration;
}

const lineOf = (record: RunRecord): string => `${JSON.stringify(record)}\n`;

/** Lines that are no records, as a killed run may leave one, are left out. */
async function readRecords(path: string): Promise<readonly RunRecord[]> {
  const text = new TextDecoder().decode(await readFileBounded(path, maxBytes));
  return text.split("\n").flatMap((line): readonly RunRecord[] => {
    try {
      const value: unknown = JSON.parse(line);
      return isRecord(value) ? [value] : [];
    } catch {
      return [];
    }
  });
}

function append(path: string, line: string): void {
  try {
    appendFileSync(path, line);
  } catch (cause) {
    const got = cause instanceof Error ? cause.message : String(cause);
    throw workError("cannot be written", { where: path, got });
  }
}
