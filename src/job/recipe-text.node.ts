/**
 * The file of a recipe: its text, and where its paths start.
 */
import { dirname, isAbsolute, join } from "node:path";
import { decodeText } from "../data/text.ts";
import { readFileBounded } from "./files.node.ts";
import type { Locate } from "./recipe-parse.ts";

const maxRecipeBytes = 2 ** 20;

/** Paths of a recipe start from its own folder, and may be written with either slash. */
export async function readRecipeText(
  path: string,
): Promise<{ readonly text: string; readonly locate: Locate }> {
  const text = decodeText(await readFileBounded(path, maxRecipeBytes), path);
  const folder = dirname(path);
  const locate: Locate = (name) =>
    isAbsolute(name) ? name : join(folder, name.replaceAll("\\", "/"));
  return { text, locate };
}
