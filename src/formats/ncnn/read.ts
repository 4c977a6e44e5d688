/**
 * An ncnn network as a graph: for checking what was written, and for networks of the layers that our
 * operators have. Files are not trusted: every count is bounded by what the file holds.
 */
import { inputError, usageError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import { assertBinRead, openBin } from "./bin.ts";
import { type ParsedNetwork, unreadBlobs } from "./blobs.ts";
import { decodeParamBinary } from "./decode-param.ts";
import type { ImportContext, Importers } from "./import-context.ts";
import { layerError } from "./import-context.ts";
import { kernelImporters } from "./import-kernel.ts";
import { pointwiseImporters } from "./import-pointwise.ts";
import { shapeImporters } from "./import-shape.ts";
import { parseParamText } from "./parse-param.ts";

/** A file's content and the name that errors show. */
type NamedFile<T> = { readonly name: string; readonly content: T };

export type ReadNcnnOptions = {
  /** The network as text, or as bytes: one of them. */
  readonly param?: NamedFile<string> | undefined;
  readonly paramBinary?: NamedFile<Uint8Array> | undefined;
  readonly bin: NamedFile<Uint8Array>;
};

const importers: Importers = { ...kernelImporters, ...pointwiseImporters, ...shapeImporters };

/**
 * The graph for a batch of one: a blob c, h, w is a value [1, c, h, w], of the blob's name (`blob3` in the
 * binary form, which has no names). Outputs are the blobs that no layer reads.
 *
 * Throws an input error with the line or byte where the files are damaged, do not belong together, or have a
 * layer or setting that no operator of ours has.
 */
export function readNcnn(options: ReadNcnnOptions): Graph {
  const { name, network } = parsed(options);
  const unread = unreadBlobs(network);
  const blobs = network.layers.flatMap(({ tops }) => tops);
  const context: ImportContext = {
    nodes: [],
    types: new Map(),
    values: new Map(),
    taken: new Set(blobs),
    bin: openBin(options.bin.name, options.bin.content),
  };
  for (const layer of network.layers) {
    const importer = importers[layer.type];
    if (importer === undefined) throw layerError(layer, "layers of this type are not supported");
    importer(layer, context);
  }
  assertBinRead(context.bin);
  const inputs = new Set(context.nodes.filter(({ op }) => op === "input").map(({ id }) => id));
  const outputs = unread
    .map((blob) => ({ name: blob, id: context.values.get(blob) ?? blob }))
    .filter((output) => !inputs.has(output.name));
  if (outputs.length === 0) throw inputError("the network has no output", { where: name });
  return { name, nodes: context.nodes, outputs, opsets: {} };
}

function parsed({ param, paramBinary }: ReadNcnnOptions): { name: string; network: ParsedNetwork } {
  if ((param === undefined) === (paramBinary === undefined)) {
    throw usageError("an ncnn network needs its param as text or as bytes, one of them");
  }
  if (param !== undefined) {
    return { name: param.name, network: parseParamText(param.name, param.content) };
  }
  const { name, content } = paramBinary ?? { name: "", content: new Uint8Array() };
  return { name, network: decodeParamBinary(name, content) };
}
