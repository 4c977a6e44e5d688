/**
 * The manifest of a quantization: all that is needed to do it again, and to feed the result the
 * pictures it was made for. `evaluate` and `compare` read the preprocessing back from here.
 */
import { join } from "node:path";
import { checkPreprocess, isMeanImage, type Preprocess } from "../data/preprocess.ts";
import type { Device } from "../engine/runtime.ts";
import { InlayError, inputError } from "../error.ts";
import type { QuantizeOptions } from "../quantize/options.ts";
import { toJson } from "../report/json.ts";
import { checkSchema } from "../report/json-schema.ts";
import { readFileBounded } from "./files.node.ts";
import type { InputHash } from "./hash.node.ts";
import { manifestSchema } from "./manifest-schema.ts";
import type { CalibrationMethod, JobContext } from "./options.ts";
import { inlayVersion } from "./version.node.ts";

export type Manifest = {
  readonly schema: "inlay.manifest/1";
  readonly versions: {
    readonly inlay: string;
    readonly node: string;
    /** Library name and version: `onnxruntime-node 1.30.0`. */
    readonly engine: string;
  };
  /** The command line, as words. */
  readonly command: readonly string[];
  readonly seed: number;
  /** 0: ONNX Runtime's own choice. */
  readonly threads: number;
  readonly device: Device;
  readonly target: string;
  readonly preprocess: Preprocess;
  readonly calibration: {
    readonly method: CalibrationMethod;
    /** The image source, as the user gave it. */
    readonly images: string;
    readonly samples: number;
  };
  readonly options: QuantizeOptions;
  /** Model files, picture sets, a mean file: everything that was read. */
  readonly inputs: readonly InputHash[];
  /** The files beside the manifest, by their plain names; a later change is found by these. */
  readonly outputs: readonly InputHash[];
};

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
  const bytes = await readFileBounded(path, maxManifestBytes).catch((cause: unknown) => {
    const isMissing = cause instanceof InlayError && cause.fields.what.startsWith("no such");
    if (!isMissing) throw cause;
    throw inputError("not a folder that inlay quantize wrote", {
      where: out,
      expected: `${manifestName} in it`,
    });
  });
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
