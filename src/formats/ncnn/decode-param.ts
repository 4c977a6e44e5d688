/**
 * The binary form of `.param` as layers. It has no names: blobs are called by their numbers.
 */
import { type InlayError, inputError } from "../../error.ts";
import { maxCount, type ParsedNetwork } from "./blobs.ts";
import { magic, maxParamId, type Param, type ReadLayer, typeOfNumber } from "./layer.ts";
import { endOfParams } from "./print-param.ts";

type Cursor = { readonly file: string; readonly view: DataView; at: number };

/** Layers of the bytes, and how many layers and blobs they announce. Throws with the byte offset. */
export function decodeParamBinary(file: string, bytes: Uint8Array): ParsedNetwork {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const cursor: Cursor = { file, view, at: 0 };
  if (bytes.length < 4 || word(cursor) !== magic) {
    throw damage(cursor, "this is no binary ncnn network", 0, `the number ${magic}`);
  }
  const where = placeOf(cursor);
  const layerCount = count(cursor, "count of layers");
  const blobCount = count(cursor, "count of blobs");
  const layers: ReadLayer[] = [];
  while (cursor.at < bytes.length) layers.push(layer(cursor, layers.length));
  return { layerCount, blobCount, layers, where };
}

const placeOf = ({ file, at }: Cursor): string => `${file}: byte ${at}`;

function damage(cursor: Cursor, what: string, at: number, expected: string): InlayError {
  return inputError(what, {
    where: placeOf({ ...cursor, at }),
    expected,
    hint: "Is it the binary form, and complete?",
  });
}

function word(cursor: Cursor): number {
  const { view, at } = cursor;
  if (at + 4 > view.byteLength) throw damage(cursor, "the file ends too early", at, "four bytes");
  cursor.at += 4;
  return view.getInt32(at, true);
}

/** A count. Everything counted takes at least one word, so that the bytes left are a bound. */
function count(cursor: Cursor, what: string): number {
  const at = cursor.at;
  const value = word(cursor);
  if (value >= 0 && value <= maxCount) return value;
  throw damage(cursor, `the ${what} is ${value}`, at, `0..${maxCount}`);
}

function words(cursor: Cursor, length: number): readonly number[] {
  const left = (cursor.view.byteLength - cursor.at) / 4;
  if (length > left) throw damage(cursor, "the file ends in a list", cursor.at, `${length} words`);
  return Array.from({ length }, () => word(cursor));
}

const blobName = (number: number): string => `blob${number}`;

function layer(cursor: Cursor, index: number): ReadLayer {
  const { at } = cursor;
  const where = placeOf(cursor);
  const number = word(cursor);
  const type = typeOfNumber(number);
  if (type === undefined) throw damage(cursor, `unknown layer type ${number}`, at, "a known type");
  const bottomCount = count(cursor, "count of blobs that are read");
  const topCount = count(cursor, "count of blobs that are made");
  const bottoms = words(cursor, bottomCount).map(blobName);
  const tops = words(cursor, topCount).map(blobName);
  return { type, name: `layer${index}`, bottoms, tops, params: params(cursor), where };
}

function params(cursor: Cursor): ReadonlyMap<number, Param> {
  const found = new Map<number, Param>();
  for (let key = word(cursor); key !== endOfParams; key = word(cursor)) {
    const array = key <= -23300;
    const id = array ? -23300 - key : key;
    if (id < 0 || id >= maxParamId || found.has(id)) {
      const expected = `a new number in 0..${maxParamId - 1}`;
      throw damage(cursor, `this is no parameter: ${key}`, cursor.at - 4, expected);
    }
    const length = array ? count(cursor, "length of an array") : 1;
    found.set(id, { id, type: "any", array, words: words(cursor, length) });
  }
  return found;
}
