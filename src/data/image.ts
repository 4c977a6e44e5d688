/**
 * A decoded picture: uint8, rows of pixels, RGB or gray. What decoders give and geometry works on;
 * a network's channel order and its numbers come later (`batch.ts`, `normalize.ts`).
 */
import { inputError } from "../error.ts";

export type Image = {
  readonly width: number;
  readonly height: number;
  /** 3: red, green, blue interleaved. 1: gray. */
  readonly channels: 1 | 3;
  /** `height * width * channels` bytes. */
  readonly data: Uint8Array;
};

/** Largest number of pixels that a picture may claim: a photograph of 50 megapixels, 150 MB decoded. */
export const maxPixels: number = 50_000_000;

/** Throws unless width and height are positive integers and the picture is not a bomb. */
export function checkPixels(width: number, height: number, where: string): void {
  const isCount = Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0;
  if (!isCount || width * height > maxPixels) {
    throw inputError(isCount ? "the picture is too large" : "the picture has no pixels", {
      where,
      expected: `1..${maxPixels} pixels`,
      got: `${width}x${height}`,
    });
  }
}

/** A checked picture: the data must hold exactly `height * width * channels` bytes. */
export function image(width: number, height: number, channels: 1 | 3, data: Uint8Array): Image {
  if (data.length !== width * height * channels) {
    throw inputError("picture data does not fit its size", {
      expected: `${width}x${height}x${channels} bytes`,
      got: `${data.length}`,
    });
  }
  return { width, height, channels, data };
}

/**
 * Gray as OpenCV's cvtColor: 0.299 R + 0.587 G + 0.114 B in 14-bit fixed point, rounded half up:
 * (4899 R + 9617 G + 1868 B + 8192) >> 14. White stays 255, and a gray picture given as RGB keeps its values.
 * (OpenCV's reader, asked for gray, takes a JPEG's own luma instead, which may differ by 1 or 2.)
 */
export function toGray(source: Image): Image {
  if (source.channels === 1) return source;
  const { width, height, data } = source;
  const gray = new Uint8Array(width * height);
  for (let pixel = 0, at = 0; pixel < gray.length; pixel++, at += 3) {
    gray[pixel] = (4899 * data[at]! + 9617 * data[at + 1]! + 1868 * data[at + 2]! + 8192) >> 14;
  }
  return { width, height, channels: 1, data: gray };
}

/** Three equal channels from a gray picture; a colour picture is returned as it is. */
export function toColor(source: Image): Image {
  if (source.channels === 3) return source;
  const { width, height, data } = source;
  const color = new Uint8Array(data.length * 3);
  for (let pixel = 0, at = 0; pixel < data.length; pixel++, at += 3) {
    color[at] = color[at + 1] = color[at + 2] = data[pixel]!;
  }
  return { width, height, channels: 3, data: color };
}
