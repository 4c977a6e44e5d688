/**
 * `.model` files: the full model's JSON as ASCII text, then the data of its layers in their order without gaps.
 * Each layer with data has its "data offset" (from the file's start) and "data size" in the JSON. Ours end the
 * text with a newline; IMAGE.md has the details.
 */
import { inputError, usageError } from "../../../error.ts";
import { type Chunks, chunksLength } from "../../../tensor/chunks.ts";
import { isObject, type JsonObject, type JsonValue, jsonText } from "../json-text.ts";
import { checkRange, damaged, type NamedBytes } from "./bytes.ts";

/** The data that belongs to one layer. */
export type ModelData = {
  readonly layer: string;
  /** Its "data file"; empty where the header names none. */
  readonly file: string;
  readonly bytes: Uint8Array;
};

const longestHeader = 2 ** 24;
const deepest = 64;
const mostLayers = 10_000;
const dataFile = "data file";
const dataOffset = "data offset";
const dataSize = "data size";

/** The layers of a full model's JSON, as objects. */
function layersOf(model: JsonObject, where: string): readonly JsonObject[] {
  const layers = model["layer"];
  if (
    Array.isArray(layers) &&
    layers.length <= mostLayers &&
    layers.every((layer: JsonValue) => isObject(layer))
  )
    return layers as readonly JsonObject[];
  throw inputError("a full model needs its layers", {
    where,
    expected: `"layer": at most ${mostLayers} objects`,
  });
}

function nameOf(layer: JsonObject): string {
  const { name, operation } = layer;
  return typeof name === "string" ? name : typeof operation === "string" ? operation : "(no name)";
}

/**
 * The file in pieces: the header, then those of its data as they are. `files` has the content of every "data file" by
 * its name; a file that two layers name is written for each. A layer without one gets no offset.
 */
export function composeModel(fullModel: JsonObject, files: ReadonlyMap<string, Chunks>): Chunks {
  const layers = layersOf(fullModel, "full model");
  const data = layers.map((layer) => dataOf(layer, files));
  const header = new TextEncoder().encode(headerText(fullModel, layers, data));
  return [header, ...data.flatMap((chunks) => chunks ?? [])];
}

function dataOf(layer: JsonObject, files: ReadonlyMap<string, Chunks>): Chunks | undefined {
  const file = layer[dataFile];
  if (typeof file !== "string" || file === "") return undefined;
  const chunks = files.get(file);
  if (chunks !== undefined) return chunks;
  throw usageError("a layer's data file is missing", {
    node: nameOf(layer),
    expected: `one of ${[...files.keys()].join(", ") || "(no files)"}`,
    got: file,
  });
}

/**
 * Offsets depend on the text's length and the length on the offsets' digits. From length 0 on each round's
 * offsets are at least those of the round before, so the text never gets shorter, and 16 digits end it.
 */
function headerText(
  fullModel: JsonObject,
  layers: readonly JsonObject[],
  data: readonly (Chunks | undefined)[],
): string {
  let text = "";
  for (;;) {
    const next = `${jsonText({ ...fullModel, layer: placed(layers, data, text.length) })}\n`;
    if (next.length === text.length) return next;
    text = next;
  }
}

function placed(
  layers: readonly JsonObject[],
  data: readonly (Chunks | undefined)[],
  start: number,
): JsonValue {
  let at = start;
  return layers.map((layer, index) => {
    const chunks = data[index];
    const { [dataOffset]: _offset, [dataSize]: _size, ...rest } = layer;
    if (chunks === undefined) return rest;
    const size = chunksLength(chunks);
    at += size;
    return { ...rest, [dataOffset]: at - size, [dataSize]: size };
  });
}

/**
 * The JSON and the data, views of the file's bytes. The data must lie in the layers' order, without gaps, up to
 * the file's end; between the text and the first of it only spaces, line ends and zero bytes may stand, since
 * how other writers end the text is not known.
 */
export function decomposeModel(file: NamedBytes): {
  readonly header: JsonObject;
  readonly data: readonly ModelData[];
} {
  const end = headerEnd(file);
  const header = parseHeader(file, end);
  const data: ModelData[] = [];
  let at = end;
  for (const layer of layersOf(header, file.name)) {
    const place = placeOf(file, layer);
    if (place === undefined) continue;
    if (data.length === 0 && place.offset > end) at = skipPadding(file, end, place.offset);
    if (place.offset !== at) {
      throw inputError("a layer's data does not follow the one before", {
        where: file.name,
        node: nameOf(layer),
        expected: `"${dataOffset}": ${at}`,
        got: `${place.offset}`,
      });
    }
    at += place.size;
    const name = layer[dataFile];
    data.push({
      layer: nameOf(layer),
      file: typeof name === "string" ? name : "",
      bytes: file.bytes.subarray(place.offset, at),
    });
  }
  if (skipPadding(file, at, data.length === 0 ? file.bytes.length : at) !== file.bytes.length) {
    throw damaged(file, at, "bytes are left behind the last layer's data", {
      expected: `${at} bytes`,
      got: `${file.bytes.length}`,
    });
  }
  return { header, data };
}

function placeOf(
  file: NamedBytes,
  layer: JsonObject,
): { readonly offset: number; readonly size: number } | undefined {
  const [offset, size] = [layer[dataOffset] ?? 0, layer[dataSize] ?? 0];
  if (size === 0 && (layer[dataFile] ?? "") === "") return undefined;
  if (!isFileNumber(offset) || !isFileNumber(size)) {
    throw inputError("a layer's place in the file must be two whole numbers", {
      where: file.name,
      node: nameOf(layer),
      got: `"${dataOffset}": ${JSON.stringify(offset)}, "${dataSize}": ${JSON.stringify(size)}`,
    });
  }
  checkRange(file, offset, size);
  return { offset, size };
}

function isFileNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** Space, tab, line ends and zero. */
const padding: ReadonlySet<number | undefined> = new Set([0, 9, 10, 13, 32]);

function skipPadding({ name, bytes }: NamedBytes, start: number, end: number): number {
  for (let at = start; at < end; at++) {
    if (!padding.has(bytes[at]))
      throw inputError("unknown bytes behind the JSON header", { where: `${name}:${at}` });
  }
  return end;
}

/** Where the JSON object at the file's start ends: behind the bracket that closes the first one. */
function headerEnd(file: NamedBytes): number {
  const { bytes } = file;
  let depth = 0;
  let isText = false;
  for (let at = 0; at < Math.min(bytes.length, longestHeader) && depth <= deepest; at++) {
    const unit = bytes[at];
    if (isText) {
      if (unit === 0x5c) at += 1;
      else if (unit === 0x22) isText = false;
    } else {
      isText = unit === 0x22;
      depth += depthChange(unit);
    }
    // Text in front of the first bracket is no header either.
    if (depth === 0) return unit === 0x7d ? at + 1 : fail(file, at);
  }
  return fail(file, bytes.length);
}

/** Of `{ [` and `} ]`. */
function depthChange(unit: number | undefined): number {
  if (unit === 0x7b || unit === 0x5b) return 1;
  return unit === 0x7d || unit === 0x5d ? -1 : 0;
}

function fail(file: NamedBytes, at: number): never {
  throw damaged(file, at, "the file has no JSON header", {
    expected: `an object from the first byte on, in at most ${longestHeader} bytes and ${deepest} levels`,
  });
}

function parseHeader(file: NamedBytes, end: number): JsonObject {
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(file.bytes.subarray(0, end)),
    );
  } catch (error) {
    throw damaged(file, 0, "the header is not JSON", {
      got: error instanceof Error ? error.message : String(error),
    });
  }
  return isObject(parsed) ? parsed : fail(file, 0);
}
