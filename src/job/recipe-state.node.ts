/**
 * What a recipe has done so far, in `run-state.json` of its output folder: per step the hash of all that
 * it depended on, and the files that it left. A damaged state only costs doing the steps again.
 */
import { join } from "node:path";
import { toJson } from "../report/json.ts";
import { checkSchema, type JsonSchema, list, orNull, record } from "../report/json-schema.ts";
import { isFile, readFileBounded, writeFileAtomic } from "./files.node.ts";
import { hashFile } from "./hash.node.ts";

export type StepState = {
  readonly step: string;
  /** SHA-256 over versions, options and the hashes of all input files. */
  readonly inputs: string;
  /** Plain names in the output folder. */
  readonly outputs: readonly { readonly file: string; readonly sha256: string }[];
  readonly note: string | null;
};

type RunState = { readonly schema: "inlay.run-state/1"; readonly steps: readonly StepState[] };

const text: JsonSchema = { type: "string" };
const schema: JsonSchema = record<RunState>({
  schema: { const: "inlay.run-state/1" },
  steps: list(
    record<StepState>({
      step: text,
      inputs: text,
      outputs: list(record<StepState["outputs"][number]>({ file: text, sha256: text })),
      note: orNull(text),
    }),
  ),
});

const stateName = "run-state.json";
const maxStateBytes = 2 ** 20;

/** Steps by name; none where there is no state, or no readable one. */
export async function readState(out: string): Promise<ReadonlyMap<string, StepState>> {
  const path = join(out, stateName);
  if (!(await isFile(path))) return new Map();
  try {
    const value: unknown = JSON.parse(
      new TextDecoder().decode(await readFileBounded(path, maxStateBytes)),
    );
    if (checkSchema(schema, value).length > 0) return new Map();
    return new Map((value as RunState).steps.map((step) => [step.step, step]));
  } catch {
    return new Map();
  }
}

export async function writeState(out: string, steps: Iterable<StepState>): Promise<void> {
  const state: RunState = { schema: "inlay.run-state/1", steps: [...steps] };
  await writeFileAtomic(join(out, stateName), toJson(state));
}

/** The state of a step that has just been done and left these files. */
export async function stateOf(
  step: string,
  inputs: string,
  out: string,
  files: readonly string[],
  note: string | null,
): Promise<StepState> {
  const outputs: StepState["outputs"][number][] = [];
  for (const file of files) {
    const { sha256 } = await hashFile(join(out, file));
    outputs.push({ file, sha256 });
  }
  return { step, inputs, outputs, note };
}

/** True where the step was done with the same inputs and its files lie there unchanged. */
export async function isDone(
  state: StepState | undefined,
  inputs: string,
  out: string,
): Promise<boolean> {
  if (state?.inputs !== inputs) return false;
  for (const { file, sha256 } of state.outputs) {
    const path = join(out, file);
    if (!(await isFile(path)) || (await hashFile(path)).sha256 !== sha256) return false;
  }
  return true;
}
