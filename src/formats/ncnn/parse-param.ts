/**
 * The text form of `.param` as layers. Blanks separate the words of a line; a layer is a line.
 */
import { type InlayError, inputError } from "../../error.ts";
import { decodeCount, type ParsedNetwork } from "./blobs.ts";
import type { LayerType, ReadLayer } from "./layer.ts";
import { float, floats, int, ints, magic, maxParamId, type Param, typeNumber } from "./layer.ts";

type Line = { readonly words: readonly string[]; readonly where: string };

const integer = /^[+-]?\d{1,10}$/;
const real = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?$/;

/** Layers of the text, and how many layers and blobs it announces. Throws with the line. */
export function parseParamText(file: string, text: string): ParsedNetwork {
  const lines = text
    .split("\n")
    .map((line, at): Line => ({ words: line.trim().split(/\s+/), where: `${file}:${at + 1}` }))
    .filter(({ words }) => words[0] !== "");
  const [first, second, ...rest] = lines;
  if (first?.words.length !== 1 || first.words[0] !== `${magic}`) throw noMagic(file, first);
  const [layerCount, blobCount] = second?.words ?? [];
  const where = second?.where ?? `${file}:2`;
  return {
    layerCount: decodeCount(layerCount, where, "count of layers"),
    blobCount: decodeCount(blobCount, where, "count of blobs"),
    layers: rest.map(parseLayer),
    where,
  };
}

function noMagic(file: string, line: Line | undefined): InlayError {
  return inputError("this is no ncnn network", {
    where: line?.where ?? file,
    expected: `the number ${magic}`,
    got: line === undefined ? "an empty file" : shown(line.words[0]),
    hint: "Is it the text form, and not .param.bin or .bin?",
  });
}

const shown = (word: string | undefined): string =>
  word === undefined ? "the end of the line" : `"${word.slice(0, 40)}"`;

function parseLayer({ words, where }: Line): ReadLayer {
  const [type = "", name = "", bottomCount, topCount, ...rest] = words;
  if (typeNumber(type) === undefined) {
    throw inputError("unknown layer type", { where, got: shown(type) });
  }
  const bottoms = decodeCount(bottomCount, where, "count of blobs that are read");
  const tops = decodeCount(topCount, where, "count of blobs that are made");
  if (bottoms + tops > rest.length) {
    throw inputError("the line ends in the names of blobs", {
      where,
      node: `${type} "${name}"`,
      expected: `${bottoms + tops} names`,
      got: `${rest.length}`,
    });
  }
  return {
    type: type as LayerType,
    name,
    bottoms: rest.slice(0, bottoms),
    tops: rest.slice(bottoms, bottoms + tops),
    params: parseParams(rest.slice(bottoms + tops), where),
    where,
  };
}

function parseParams(words: readonly string[], where: string): ReadonlyMap<number, Param> {
  const params = new Map<number, Param>();
  for (const word of words) {
    const param = parseParam(word, where);
    if (params.has(param.id)) {
      throw inputError("a parameter is given twice", { where, got: shown(word) });
    }
    params.set(param.id, param);
  }
  return params;
}

/** `0=1`, `1=0.5`, `-23303=2,1.0,2.0`, or the newer `3=1.0,2.0`. */
function parseParam(word: string, where: string): Param {
  const [, key = "", value = ""] = /^([+-]?\d{1,6})=(.+)$/.exec(word) ?? [];
  const isOldArray = Number(key) <= -23300;
  const id = isOldArray ? -23300 - Number(key) : Number(key);
  if (key === "" || id < 0 || id >= maxParamId) {
    throw inputError("this is no parameter", {
      where,
      expected: `id=value, id in 0..${maxParamId - 1}`,
      got: shown(word),
    });
  }
  const parts = value.split(",");
  if (isOldArray) return oldArray(id, parts, where);
  return parts.length > 1 ? numbers(id, parts, where) : scalar(id, value, where);
}

function oldArray(id: number, [length, ...parts]: readonly string[], where: string): Param {
  if (length === `${parts.length}`) return numbers(id, parts, where);
  throw inputError("an array has another length than it says", {
    where,
    expected: shown(length),
    got: `${parts.length}`,
  });
}

function scalar(id: number, text: string, where: string): Param {
  return integer.test(text) ? int(id, int32(text, where)) : float(id, number(text, where));
}

function numbers(id: number, parts: readonly string[], where: string): Param {
  if (parts.every((part) => integer.test(part))) {
    return ints(
      id,
      parts.map((part) => int32(part, where)),
    );
  }
  return floats(
    id,
    parts.map((part) => number(part, where)),
  );
}

function int32(text: string, where: string): number {
  const value = Number(text);
  if (value >= -(2 ** 31) && value < 2 ** 31) return value;
  throw inputError("a parameter does not fit 32 bits", { where, got: shown(text) });
}

function number(text: string, where: string): number {
  if (real.test(text) && Number.isFinite(Math.fround(Number(text)))) return Number(text);
  throw inputError("this is no number", { where, got: shown(text) });
}
