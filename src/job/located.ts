/**
 * Errors of a network say which file it came from, though what found them (a pass, the engine) does not know.
 */
import { InlayError } from "../error.ts";
import type { ModelPaths } from "./options.ts";

/** Runs a job on a model; input and work errors that name no place get the model's files as theirs. */
export async function located<T>(model: ModelPaths, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof InlayError)) throw error;
    const { kind, where } = error.fields;
    if (kind === "usage" || where !== undefined) throw error;
    throw new InlayError({ ...error.fields, where: model.join(", ") }, { cause: error });
  }
}
