/**
 * `inlay finetune recipe.yaml`.
 */
import type { FinetuneReport } from "../report/finetune.ts";
import type { FinetuneJob } from "./finetune/fine-tune.ts";
import { parseFinetune } from "./finetune/parse-finetune.ts";
import { finetuneJob } from "./finetune.node.ts";
import type { JobContext } from "./options.ts";
import type { RecipeOverrides } from "./recipe.ts";
import { readRecipeText } from "./recipe-text.node.ts";

export type FinetuneRecipeJob = {
  /** The recipe's file. Paths in it start from its folder. */
  readonly recipe: string;
  /** What is stronger than the recipe's own seed, threads and device. */
  readonly overrides?: RecipeOverrides;
} & Pick<FinetuneJob, "shouldStop" | "onTest">;

/** Fine-tunes as the recipe says. An input error has its line and column. */
export async function finetuneRecipe(
  { recipe, overrides, ...hooks }: FinetuneRecipeJob,
  context: JobContext,
): Promise<FinetuneReport> {
  const { text, locate } = await readRecipeText(recipe);
  const parsed = await parseFinetune(text, recipe, locate);
  return await finetuneJob(
    { ...parsed.job, ...hooks },
    { ...context, ...parsed.context, ...overrides },
  );
}
