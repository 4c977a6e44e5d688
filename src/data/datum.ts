/**
 * Caffe's Datum, the record of its LMDBs: raw pixels, an encoded picture, or float values; and the
 * AnnotatedDatum of SSD, whose picture is taken and whose boxes are left out.
 */
import { inputError } from "../error.ts";
import { caffeBlobMessages } from "../protobuf/caffe-blob.ts";
import { decode } from "../protobuf/decode.ts";
import { type ByteSource, readWithin } from "./byte-source.ts";
import { checkPixels, type Image } from "./image.ts";

const datumSchema = {
  enums: {},
  messages: { ...caffeBlobMessages, AnnotatedDatum: { datum: { number: 1, type: "bytes" } } },
} as const;

/** Largest record: raw pixels of the largest picture, or its float values. */
export const maxDatumBytes: number = 2 ** 28;

/**
 * The record's picture. Raw data are planes; three of them are taken as blue, green, red, as Caffe's tools write them, so that
 * channel order `bgr` feeds a network the planes as they are stored. Float values must be
 * integers 0..255, because pictures are uint8 here. `decodePicture` reads encoded records.
 */
export async function datumPicture(
  bytes: Uint8Array,
  name: string,
  decodePicture: (bytes: Uint8Array, name: string) => Promise<Image>,
): Promise<Image> {
  const datum = decode(datumSchema, "Datum", unwrap(bytes, name), { file: name });
  const pixels = datum.data ?? new Uint8Array(0);
  if (datum.encoded === true) return await decodePicture(pixels, name);
  const width = datum.width ?? 0;
  const height = datum.height ?? 0;
  checkPixels(width, height, name);
  const channels = datum.channels ?? 0;
  if (channels !== 1 && channels !== 3) {
    throw inputError("the record is not a picture", {
      where: name,
      expected: "1 or 3 channels",
      got: `${channels}`,
    });
  }
  const planes = pixels.length > 0 ? pixels : wholeNumbers(datum.float_data, name);
  if (planes.length !== width * height * channels) {
    throw inputError("the record's data do not fit its size", {
      where: name,
      expected: `${channels}x${height}x${width} = ${channels * height * width} values`,
      got: `${planes.length}`,
    });
  }
  return channels === 1
    ? { width, height, channels, data: planes.slice() }
    : { width, height, channels, data: interleave(planes) };
}

/** The picture file that the record holds; undefined where it holds pixels. */
export function datumFile(bytes: Uint8Array, name: string): Uint8Array | undefined {
  const datum = decode(datumSchema, "Datum", unwrap(bytes, name), { file: name });
  return datum.encoded === true ? datum.data : undefined;
}

/** AnnotatedDatum starts with a nested message, Datum with a number. */
function unwrap(bytes: Uint8Array, name: string): Uint8Array {
  if (bytes[0] !== annotatedTag) return bytes;
  const annotated = decode(datumSchema, "AnnotatedDatum", bytes, { file: name });
  return annotated.datum ?? new Uint8Array(0);
}

function wholeNumbers(values: Float32Array, name: string): Uint8Array {
  const bytes = Uint8Array.from(values);
  const bad = values.findIndex((value, index) => value !== bytes[index]);
  if (bad >= 0) {
    throw inputError("the record holds float values that are no pixels", {
      where: name,
      expected: "whole numbers 0..255",
      got: `${values[bad]}`,
    });
  }
  return bytes;
}

/** Planes blue, green, red to pixels red, green, blue. */
function interleave(planes: Uint8Array): Uint8Array {
  const area = planes.length / 3;
  const data = new Uint8Array(planes.length);
  for (let pixel = 0, to = 0; pixel < area; pixel++, to += 3) {
    data[to] = planes[2 * area + pixel]!;
    data[to + 1] = planes[area + pixel]!;
    data[to + 2] = planes[pixel]!;
  }
  return data;
}

const annotatedTag = (1 << 3) | 2;
const labelTag = 5 << 3;
/** Enough for a tag and the number behind it. */
const fieldBytes = 20;

/**
 * The record's label without reading its pixels: steps from field to field. Undefined where there is none, and for
 * annotated records. The last label counts, as protobuf has it.
 */
export async function datumLabel(
  source: ByteSource,
  record: { readonly offset: number; readonly length: number },
  name: string,
): Promise<number | undefined> {
  const end = record.offset + record.length;
  let label: number | undefined;
  let at = record.offset;
  let window: { start: number; bytes: Uint8Array } = { start: at, bytes: new Uint8Array(0) };
  while (at < end) {
    if (at + fieldBytes > window.start + window.bytes.length) {
      window = { start: at, bytes: await readWithin(source, at, Math.min(64, end - at)) };
    }
    const field = readField(window.bytes.subarray(at - window.start), name);
    if (field.tag === annotatedTag && at === record.offset) return undefined;
    if (field.tag === labelTag) label = field.number | 0;
    at += field.length;
  }
  if (at !== end)
    throw damagedRecord(name, `${record.length} bytes`, `fields for ${at - record.offset}`);
  if (label !== undefined && label < 0)
    throw damagedRecord(name, "a label of 0 or more", `${label}`);
  return label;
}

type WireField = {
  readonly tag: number;
  /** A varint's lower 32 bits; 0 for other types. */
  readonly number: number;
  /** Bytes up to the next field. */
  readonly length: number;
};

function readField(bytes: Uint8Array, name: string): WireField {
  const tag = readVarint(bytes, 0, name);
  const type = tag.value & 7;
  if (type === 5) return { tag: tag.value, number: 0, length: tag.end + 4 };
  if (type === 1) return { tag: tag.value, number: 0, length: tag.end + 8 };
  const value = readVarint(bytes, tag.end, name);
  if (type === 0) return { tag: tag.value, number: value.value, length: value.end };
  if (type === 2) return { tag: tag.value, number: 0, length: value.end + (value.value >>> 0) };
  throw damagedRecord(name, "a Caffe Datum", `wire type ${type}`);
}

function readVarint(
  bytes: Uint8Array,
  start: number,
  name: string,
): { value: number; end: number } {
  let value = 0;
  for (let at = start; at < Math.min(bytes.length, start + 10); at++) {
    const byte = bytes[at]!;
    if (at - start < 5) value |= (byte & 0x7f) << (7 * (at - start));
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw damagedRecord(name, "a Caffe Datum", "a number without an end");
}

function damagedRecord(name: string, expected: string, got: string): Error {
  return inputError("the record is damaged", { where: name, expected, got });
}
