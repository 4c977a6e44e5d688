/**
 * What a training step leaves in its work folder: the last state, the best one, and the tests so far.
 */
import { join } from "node:path";
import type { FinetuneTest } from "../../report/finetune.ts";
import { checkSchema, type JsonSchema, list, orNull, record } from "../../report/json-schema.ts";
import { decodeState, encodeState } from "../../train/state-file.ts";
import type { RunState } from "../../train/trainer.ts";
import { isFile, readFileBounded, writeFileAtomic } from "../files.node.ts";

type Tests = {
  readonly schema: "inlay.stage/1";
  /** Of everything that the step depends on: another one, and what lies there is not taken up. */
  readonly inputs: string;
  /** Spent so far, tests included. */
  readonly seconds: number;
  readonly tests: readonly FinetuneTest[];
};

const whole: JsonSchema = { type: "integer", minimum: 0 };
const number: JsonSchema = { type: "number" };
const schema: JsonSchema = record<Tests>({
  schema: { const: "inlay.stage/1" },
  inputs: { type: "string" },
  seconds: number,
  tests: list(
    record<FinetuneTest>({
      iteration: whole,
      correct: whole,
      samples: whole,
      loss: orNull(number),
    }),
  ),
});

const maxStateBytes = 2 ** 32;
const maxTestsBytes = 2 ** 24;

export type StageFiles = {
  readonly last: string;
  readonly best: string;
  readonly tests: string;
};

export function stageFiles(work: string, stage: string): StageFiles {
  const at = (name: string): string => join(work, stage, name);
  return { last: at("last.state"), best: at("best.state"), tests: at("tests.json") };
}

export type StoredStage = Pick<Tests, "seconds" | "tests"> & {
  readonly last: RunState | undefined;
  readonly best: RunState | undefined;
};

const nothing: StoredStage = { seconds: 0, tests: [], last: undefined, best: undefined };

/** What an earlier run with the same inputs left; nothing where there is none, or its list of tests is damaged. */
export async function readStage(files: StageFiles, inputs: string): Promise<StoredStage> {
  const stored = await readTests(files.tests);
  if (stored?.inputs !== inputs) return nothing;
  const [last, best] = [await readState(files.last), await readState(files.best)];
  if (last === undefined) return nothing;
  // Tests behind the last state are done again.
  const tests = stored.tests.filter(({ iteration }) => iteration <= last.iteration);
  return { seconds: stored.seconds, tests, last, best };
}

async function readTests(path: string): Promise<Tests | undefined> {
  if (!(await isFile(path))) return undefined;
  try {
    const text = new TextDecoder().decode(await readFileBounded(path, maxTestsBytes));
    const value: unknown = JSON.parse(text);
    return checkSchema(schema, value).length === 0 ? (value as Tests) : undefined;
  } catch {
    return undefined;
  }
}

async function readState(path: string): Promise<RunState | undefined> {
  if (!(await isFile(path))) return undefined;
  return decodeState({ name: path, bytes: await readFileBounded(path, maxStateBytes) });
}

export async function writeTests(files: StageFiles, tests: Omit<Tests, "schema">): Promise<void> {
  await writeFileAtomic(files.tests, `${JSON.stringify({ schema: "inlay.stage/1", ...tests })}\n`);
}

export async function writeState(path: string, state: RunState): Promise<void> {
  await writeFileAtomic(path, encodeState(state));
}
