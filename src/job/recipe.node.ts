/**
 * `inlay run`: does a recipe's steps, leaves out those whose inputs have not changed, and remembers after
 * each step how far it came.
 */
import { readMean } from "../data/open.node.ts";
import { checkPreprocess } from "../data/preprocess.ts";
import { InlayError } from "../error.ts";
import type { Json } from "../report/json.ts";
import type { ReportWarning, RunReport } from "../report/reports.ts";
import { hashText } from "./hash.node.ts";
import type { JobContext } from "./options.ts";
import { warningLog } from "./pictures.node.ts";
import type { Recipe, RecipeOverrides } from "./recipe.ts";
import { parseRecipe } from "./recipe-parse.ts";
import { isDone, readState, type StepState, stateOf, writeState } from "./recipe-state.node.ts";
import { type Step, stepsOf } from "./recipe-steps.node.ts";
import { readRecipeText } from "./recipe-text.node.ts";
import { inlayVersion } from "./version.node.ts";

export type RecipeJob = {
  /** The recipe's file. */
  readonly recipe: string;
  /** What is stronger than the recipe's own seed, threads and device. */
  readonly overrides?: RecipeOverrides;
  /** Does unchanged steps too. */
  readonly force?: boolean;
};

/**
 * Does the recipe. Files that are missing are found before the first step. A step whose work fails ends the run as
 * "failed" in the report; a file that is not what it should be, and a wrong recipe, are thrown.
 */
export async function runRecipe(job: RecipeJob, context: JobContext): Promise<RunReport> {
  const recipe = await readRecipe(job.recipe);
  const log = warningLog(context);
  const settings = { ...context, ...recipe.context, ...job.overrides, onWarning: log.add };
  const steps = stepsOf(recipe);
  for (const step of steps) await step.inputs();
  const started = performance.now();
  const done = await runSteps(steps, recipe.out, settings, job.force === true);
  const seconds = (performance.now() - started) / 1000;
  const warnings: readonly ReportWarning[] = log.all();
  return { schema: "inlay.run/1", recipe: job.recipe, steps: done, seconds, warnings };
}

/** The recipe of a file, its paths relative to the file's folder, its mean file read. */
async function readRecipe(path: string): Promise<Recipe> {
  const { text, locate } = await readRecipeText(path);
  const recipe = await parseRecipe(text, path, locate);
  const { preprocess, meanFile } = recipe;
  if (meanFile === undefined) return recipe;
  const mean = await readMean(meanFile);
  return { ...recipe, preprocess: checkPreprocess({ ...preprocess, mean }) };
}

type StepReport = RunReport["steps"][number];

async function runSteps(
  steps: readonly Step[],
  out: string,
  context: JobContext,
  isForced: boolean,
): Promise<readonly StepReport[]> {
  const states = new Map(await readState(out));
  const reports: StepReport[] = [];
  for (const step of steps) {
    const report = await runStep(step, out, context, isForced, states);
    reports.push(report);
    if (report.status === "failed") break;
  }
  return reports;
}

async function runStep(
  step: Step,
  out: string,
  context: JobContext,
  isForced: boolean,
  states: Map<string, StepState>,
): Promise<StepReport> {
  const started = performance.now();
  const { name } = step;
  const report = (status: StepReport["status"], note: string | null): StepReport => ({
    name,
    status,
    seconds: (performance.now() - started) / 1000,
    note,
  });
  const inputs = hashInputs(name, await step.inputs(), context);
  const state = states.get(name);
  if (!isForced && (await isDone(state, inputs, out))) {
    return report("skipped", state?.note ?? null);
  }
  try {
    const { files, note } = await step.run(context);
    states.set(name, await stateOf(name, inputs, out, files, note));
    await writeState(out, states.values());
    return report("done", note);
  } catch (cause) {
    if (cause instanceof InlayError && cause.fields.kind === "work") {
      return report("failed", cause.message);
    }
    throw cause;
  }
}

function hashInputs(step: string, inputs: Json, { seed, device }: JobContext): string {
  return hashText(JSON.stringify({ step, inlay: inlayVersion(), seed, device, inputs }));
}
