/**
 * Bilinear resizing of uint8 pictures, bit for bit OpenCV's INTER_LINEAR: half-pixel centres, no
 * antialiasing, 11-bit fixed-point weights. Written from the published algorithm
 * (modules/imgproc/src/resize.cpp: HResizeLinear, VResizeLinear). Not for shrinking photographs nicely.
 */
import { usageError } from "../error.ts";
import { type Image, maxPixels } from "./image.ts";

/** One axis: for every output position the first source index and the two weights, which are 2048 in sum. */
type Axis = { readonly index: Int32Array; readonly first: Int32Array; readonly second: Int32Array };

const weightOne = 2048;

/**
 * The picture in `width` x `height`. Source coordinate x = (X + 0.5) * (sourceWidth / width) - 0.5, in
 * double, then float32; weights round_half_even(2048 * fraction); rows summed in int32; the result is
 * ((b0 * (S0 >> 4)) >> 16) + ((b1 * (S1 >> 4)) >> 16) + 2) >> 2. Within 1 of the rounded exact value.
 * The same size gives the same picture. Throws where the size is no count or exceeds `maxPixels`.
 */
export function resize(source: Image, width: number, height: number): Image {
  checkSize(width, height);
  if (source.width === width && source.height === height) return source;
  const columns = columnAxis(source.width, width);
  const rows = axis(source.height, height);
  const { channels } = source;
  const stride = width * channels;
  const out = new Uint8Array(height * stride);
  const cache = rowCache(source, columns, stride);
  for (let y = 0; y < height; y++) {
    const top = cache(clamp(rows.index[y]!, source.height - 1), -1);
    const below = clamp(rows.index[y]! + 1, source.height - 1);
    const bottom = cache(below, clamp(rows.index[y]!, source.height - 1));
    blendRows(top, bottom, rows.first[y]!, rows.second[y]!, out, y * stride);
  }
  return { width, height, channels, data: out };
}

function checkSize(width: number, height: number): void {
  const isCount = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!isCount || width * height > maxPixels) {
    throw usageError("cannot resize to this size", {
      expected: `positive integers, at most ${maxPixels} pixels`,
      got: `${width}x${height}`,
    });
  }
}

function clamp(index: number, last: number): number {
  return Math.min(Math.max(index, 0), last);
}

function axis(sourceSize: number, size: number): Axis {
  const index = new Int32Array(size);
  const first = new Int32Array(size);
  const second = new Int32Array(size);
  const step = 1 / (size / sourceSize);
  for (let at = 0; at < size; at++) {
    const position = Math.fround((at + 0.5) * step - 0.5);
    const floor = Math.floor(position);
    const fraction = Math.fround(position - floor);
    index[at] = floor;
    first[at] = roundHalfEven(Math.fround(1 - fraction) * weightOne);
    second[at] = roundHalfEven(fraction * weightOne);
  }
  return { index, first, second };
}

/** Columns outside the picture take the edge pixel with its full weight; rows (see `resize`) keep theirs. */
function columnAxis(sourceSize: number, size: number): Axis {
  const columns = axis(sourceSize, size);
  for (let at = 0; at < size; at++) {
    const index = columns.index[at]!;
    if (index >= 0 && index < sourceSize - 1) continue;
    columns.index[at] = clamp(index, sourceSize - 1);
    columns.first[at] = weightOne;
    columns.second[at] = 0;
  }
  return columns;
}

/** Weights are multiples of 2^-k below 2049, so that the tie test is exact. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest > 0.5 ? floor + 1 : floor;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Horizontally resized rows; two are kept, and `keep` is never the one that is overwritten. */
function rowCache(
  source: Image,
  columns: Axis,
  stride: number,
): (row: number, keep: number) => Int32Array {
  const held = [-1, -1];
  const buffers = [new Int32Array(stride), new Int32Array(stride)];
  return (row, keep) => {
    const hit = held.indexOf(row);
    if (hit >= 0) return buffers[hit]!;
    const slot = held[0] === keep || (keep < 0 && held[0]! > held[1]!) ? 1 : 0;
    held[slot] = row;
    resizeRow(source, row, columns, buffers[slot]!);
    return buffers[slot]!;
  };
}

function resizeRow(source: Image, row: number, columns: Axis, out: Int32Array): void {
  const { data, width, channels } = source;
  const start = row * width * channels;
  const last = start + (width - 1) * channels;
  const { index, first, second } = columns;
  for (let x = 0, to = 0; x < index.length; x++) {
    const from = start + index[x]! * channels;
    const next = from === last ? from : from + channels;
    const a = first[x]!;
    const b = second[x]!;
    for (let c = 0; c < channels; c++) out[to++] = data[from + c]! * a + data[next + c]! * b;
  }
}

function blendRows(
  top: Int32Array,
  bottom: Int32Array,
  a: number,
  b: number,
  out: Uint8Array,
  start: number,
): void {
  for (let x = 0; x < top.length; x++) {
    const high = (a * (top[x]! >> 4)) >> 16;
    const low = (b * (bottom[x]! >> 4)) >> 16;
    out[start + x] = (high + low + 2) >> 2;
  }
}
