/**
 * Rectangles of pictures: cut out, mirrored, with black where they reach beyond the picture, and written straight into a batch.
 */
import type { Image } from "./image.ts";

/** A rectangle in a picture's pixels; it may lie outside partly or wholly. */
export type PictureWindow = {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
  /** Columns in opposite order. */
  readonly isMirrored: boolean;
};

/** The window that is the picture itself. */
export function wholeWindow({ width, height }: Image): PictureWindow {
  return { top: 0, left: 0, height, width, isMirrored: false };
}

/** The window as a picture of its own; the picture itself, not a copy, where the window is the whole of it. */
export function cutWindow(source: Image, window: PictureWindow): Image {
  const { top, left, width, height, isMirrored } = window;
  const isWhole = width === source.width && height === source.height;
  if (isWhole && top === 0 && left === 0 && !isMirrored) return source;
  const data = new Uint8Array(width * height * source.channels);
  copyWindow(source, window, { data, start: 0, swaps: false });
  return { width, height, channels: source.channels, data };
}

/** Where pixels go: interleaved rows from `start`; `swaps` turns RGB to BGR. The bytes there must be 0. */
export type PixelTarget = {
  readonly data: Uint8Array;
  readonly start: number;
  readonly swaps: boolean;
};

/**
 * Writes the window: target pixel (y, x) is source pixel (top + y, left + x), or (top + y, left + width - 1 - x) where it is
 * mirrored. What lies outside the source is left as it was.
 */
export function copyWindow(source: Image, window: PictureWindow, target: PixelTarget): void {
  const { channels } = source;
  const { isMirrored } = window;
  const swaps = target.swaps && channels === 3;
  const stride = window.width * channels;
  const firstRow = Math.max(0, -window.top);
  const endRow = Math.min(window.height, source.height - window.top);
  const firstColumn = Math.max(0, window.left);
  const endColumn = Math.min(source.width, window.left + window.width);
  if (firstColumn >= endColumn) return;
  const into = isMirrored ? window.left + window.width - endColumn : firstColumn - window.left;
  for (let y = firstRow; y < endRow; y++) {
    const row = (window.top + y) * source.width;
    const from = (row + firstColumn) * channels;
    const end = (row + endColumn) * channels;
    const to = target.start + y * stride + into * channels;
    if (!isMirrored && !swaps) target.data.set(source.data.subarray(from, end), to);
    else if (channels === 3) copyColor(source.data, from, end, target, to, isMirrored);
    else reverse(source.data, from, end, target.data, to);
  }
}

function copyColor(
  data: Uint8Array,
  from: number,
  end: number,
  target: PixelTarget,
  to: number,
  isMirrored: boolean,
): void {
  const out = target.data;
  const first = target.swaps ? 2 : 0;
  const third = 2 - first;
  const step = isMirrored ? -3 : 3;
  let at = isMirrored ? to + end - from - 3 : to;
  for (let pixel = from; pixel < end; pixel += 3, at += step) {
    out[at + first] = data[pixel]!;
    out[at + 1] = data[pixel + 1]!;
    out[at + third] = data[pixel + 2]!;
  }
}

function reverse(data: Uint8Array, from: number, end: number, out: Uint8Array, to: number): void {
  for (let at = end - 1, next = to; at >= from; at--) out[next++] = data[at]!;
}
