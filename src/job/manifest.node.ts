/**
 * The manifest of a quantization: all that is needed to do it again, and to feed the result the
 * pictures it was made for. `evaluate` and `compare` read the preprocessing back from here.
 */
import { join } from "node:path";
import { checkPreprocess, isMeanImage, type Preprocess } from "../data/preprocess.ts";
import { type InlayError, inputError } from "../error.ts";
import { toJson } from "../report/json.ts";
import { checkSchema } from "../report/json-schema.ts";
import { isFile, readFileBounded } from "./files.node.ts";
import type { Manifest } from "./manifest.ts";
import { manifestSchema } from "./manifest-schema.ts";
import type { JobContext } from "./options.ts";
import { inlayVersion } from "./version.node.ts";

/** The manifest's name in an output folder. */
export const manifestName = "manifest.json";

/** Largest manifest: a mean image of 3 x 1024 x 1024 in decimal digits fits. */
const maxManifestBytes = 2 ** 26;

/** The fields that the context and this program know. `engine` is `Runtime.version`. */
export function manifestBase(
  context: JobContext,
  engine: string,
): Pick<Manifest, "schema" | "versions" | "command" | "seed" | "threads" | "device"> {
  const { command, seed, threads, device } = context;
  const versions = { inlay: inlayVersion(), node: process.versions.node, engine };
  return { schema: "inlay.manifest/1", versions, command, seed, threads, device };
}

/** The file's text. */
export function manifestText(manifest: Manifest): string {
  return toJson(manifest);
}

/**
 * The manifest in a folder that `quantize` wrote. An input error that names the file, and the field where
 * one is wrong, when it is missing, damaged or of another version.
 */
export async function readManifest(out: string): Promise<Manifest> {
  const path = join(out, manifestName);
  if (!(await isFile(path))) {
    throw inputError("not a folder that inlay quantize wrote", {
      where: out,
      expected: `${manifestName} in it`,
    });
  }
  const bytes = await readFileBounded(path, maxManifestBytes);
  return parseManifest(new TextDecoder().decode(bytes), path);
}

/** The manifest in a text; `where` names it in errors. */
export function parseManifest(text: string, where: string): Manifest {
  const value = parseJson(text, where);
  const [fault] = checkSchema(manifestSchema, value);
  if (fault !== undefined) throw damaged(where, fault);
  // The schema has one rule for each field of the type, by construction.
  const manifest = value as Manifest;
  checkMean(manifest.preprocess.mean, where);
  try {
    checkPreprocess(manifest.preprocess);
  } catch (cause) {
    throw damaged(where, cause instanceof Error ? cause.message : String(cause));
  }
  return manifest;
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw damaged(where, cause instanceof Error ? cause.message : String(cause));
  }
}

function checkMean(mean: Preprocess["mean"], where: string): void {
  if (!isMeanImage(mean)) return;
  const [c, h, w] = mean.shape;
  if (c * h * w !== mean.values.length) {
    throw damaged(where, `the mean image has ${mean.values.length} values for ${c}x${h}x${w}`);
  }
}

function damaged(where: string, got: string): InlayError {
  return inputError("the manifest is damaged, or of another version of Inlay", {
    where,
    expected: "a manifest as inlay quantize writes it (inlay.manifest/1)",
    got,
    hint: "Quantize again.",
  });
}
