/**
 * Model files -> graph: Caffe (prototxt and caffemodel), ONNX, or the folder of a quantization.
 */
import { stat } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { InlayError, usageError } from "../error.ts";
import { readCaffe } from "../formats/caffe/read.ts";
import { externalReader } from "../formats/onnx/external.node.ts";
import { readOnnx } from "../formats/onnx/read.ts";
import type { Graph } from "../ir/graph.ts";
import { inferTypes, withBatch } from "../ir/infer.ts";
import type { OnWarning } from "../notice.ts";
import { canonicalize } from "../passes/pipeline.ts";
import type { Shape } from "../tensor/shape.ts";
import type { ChipModel } from "./chip/chip-model.ts";
import { scalarGraph } from "./chip/simulation-graph.ts";
import { modelFileAt, readChipModel } from "./chip-model.node.ts";
import { readFileBounded } from "./files.node.ts";
import { hashFile } from "./hash.node.ts";
import { readManifest } from "./manifest.node.ts";
import type { Manifest } from "./manifest.ts";
import type { ModelPaths } from "./options.ts";
import { apartFrom } from "./own-memory.ts";

export type LoadedModel = {
  /** Null for a chip's model. */
  readonly format: "caffe" | "onnx" | null;
  /** As the file has it; for a quantized folder the QDQ graph; of a chip's model integers and host layers. */
  readonly graph: Graph;
  /** The manifest of a quantized folder. */
  readonly manifest?: Manifest;
  /** What a chip's model holds. */
  readonly chip?: ChipModel;
  /** The files that were read. */
  readonly files: readonly string[];
};

/** Names in a folder that `quantize` writes. */
export const quantizedName = "quantized.onnx";
export const floatName = "float.onnx";

/** Protobuf's own limit. */
const maxModelBytes = 2 ** 31 - 1;
const textExtensions: ReadonlySet<string> = new Set([".prototxt", ".txt", ".pt", ".pbtxt"]);

export type LoadOptions = {
  /** What was unusual in the files. */
  readonly onWarning?: OnWarning | undefined;
  /** Shape of the input [n, c, h, w], over the declared one. */
  readonly inputShape?: Shape | undefined;
};

/** Reads a model. A network that takes any batch is given with a batch of 1. */
export async function loadModel(
  paths: ModelPaths,
  options: LoadOptions = {},
): Promise<LoadedModel> {
  const model = await loadFiles(paths, options);
  return { ...model, graph: forOnePicture(model.graph) };
}

/** The graph with a batch of 1, unless something in it was fixed to another one. */
function forOnePicture(graph: Graph): Graph {
  const takesPictures = graph.nodes.every(
    (node) => node.op !== "opaque" && (node.op !== "input" || node.attrs.shape.length === 4),
  );
  if (!takesPictures) return graph;
  const single = withBatch(graph, 1);
  try {
    inferTypes(single);
    return single;
  } catch (error) {
    if (error instanceof InlayError) return graph;
    throw error;
  }
}

async function loadFiles(paths: ModelPaths, options: LoadOptions): Promise<LoadedModel> {
  const [first, second, ...rest] = paths;
  if (first === undefined || rest.length > 0) {
    throw usageError("a model is one or two files", {
      expected:
        "MODEL.onnx, or deploy.prototxt and net.caffemodel, or the folder of a quantization, or NAME.model",
      got: `${paths.length} paths`,
    });
  }
  if (second !== undefined) return loadCaffe(paths, options);
  const model = await modelFileAt(first);
  if (model !== undefined) return loadChip(model, options);
  if (await isFolder(first)) return loadQuantized(first, options);
  const isOnnx = extname(first).toLowerCase() === ".onnx";
  return isOnnx ? loadOnnx(first, options) : loadCaffe(paths, options);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}

async function loadOnnx(path: string, options: LoadOptions): Promise<LoadedModel> {
  const bytes = await readFileBounded(path, maxModelBytes);
  const external = externalReader(dirname(path));
  const graph = readOnnx({ name: path, bytes, external, ...options });
  return { format: "onnx", graph: apartFrom(bytes, graph), files: [path] };
}

async function loadChip(path: string, options: LoadOptions): Promise<LoadedModel> {
  const chip = await readChipModel(path, options.onWarning);
  return { format: null, graph: scalarGraph(chip), chip, files: [path] };
}

async function loadQuantized(folder: string, options: LoadOptions): Promise<LoadedModel> {
  const manifest = await readManifest(folder);
  const path = join(folder, quantizedName);
  await warnIfChanged(path, manifest, options.onWarning);
  return { ...(await loadOnnx(path, options)), manifest };
}

/** A flipped bit in a weight is still a network: only the hash tells. */
async function warnIfChanged(
  path: string,
  manifest: Manifest,
  onWarning: OnWarning | undefined,
): Promise<void> {
  const written = manifest.outputs.find(({ file }) => file === quantizedName);
  if (written === undefined || written.sha256 === (await hashFile(path)).sha256) return;
  onWarning?.({
    id: "output-changed",
    message: "not the file that inlay quantize wrote: damaged, or changed since",
    where: path,
  });
}

async function loadCaffe(paths: readonly string[], options: LoadOptions): Promise<LoadedModel> {
  const texts = paths.filter((path) => textExtensions.has(extname(path).toLowerCase()));
  const weights = paths.filter((path) => !texts.includes(path));
  if (texts.length > 1 || weights.length > 1 || paths.length === 0) {
    throw usageError("a Caffe network is one prototxt and one caffemodel", {
      got: paths.map((path) => basename(path)).join(", "),
      hint: "The text file must end in .prototxt, .pbtxt, .pt or .txt",
    });
  }
  const file = async (path: string | undefined) =>
    path === undefined
      ? undefined
      : { name: path, bytes: await readFileBounded(path, maxModelBytes) };
  const [prototxt, caffemodel] = [await file(texts[0]), await file(weights[0])];
  const graph = readCaffe({
    ...(prototxt && { prototxt }),
    ...(caffemodel && { caffemodel }),
    ...(options.inputShape && { inputShape: options.inputShape }),
    onWarning: options.onWarning ?? (() => undefined),
  });
  const own = caffemodel === undefined ? graph : apartFrom(caffemodel.bytes, graph);
  return { format: "caffe", graph: own, files: paths };
}

/** The float network in canonical form: batch norms folded, nothing that only training needs. */
export function floatNetwork(model: LoadedModel): Graph {
  return canonicalize(model.graph);
}

/** A name for reports: the network's own, or the file's. */
export function modelName(model: LoadedModel): string {
  const file = basename(model.files[0] ?? "", extname(model.files[0] ?? ""));
  return model.graph.name === "" ? file : model.graph.name;
}
