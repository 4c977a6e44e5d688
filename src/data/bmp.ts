/**
 * Uncompressed BMP pictures with 8 (palette), 24 or 32 bits per pixel, because sharp reads none. Not
 * for run-length coding, bit fields other than plain BGRA, or 16 bits.
 */
import { inputError } from "../error.ts";
import { checkPixels, type Image } from "./image.ts";

type BmpLayout = {
  readonly width: number;
  readonly height: number;
  readonly bits: 8 | 24 | 32;
  readonly isTopDown: boolean;
  /** Byte offset of the first stored row. */
  readonly pixels: number;
  /** Bytes per stored row, a multiple of 4. */
  readonly stride: number;
  readonly paletteStart: number;
  readonly paletteCount: number;
};

/** The picture as RGB; an 8-bit palette of grays gives a gray picture. The alpha byte is dropped. */
export function decodeBmp(bytes: Uint8Array, name: string): Image {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const layout = readLayout(view, name);
  return layout.bits === 8 ? readIndexed(bytes, layout) : readTrueColor(bytes, layout);
}

function readLayout(view: DataView, name: string): BmpLayout {
  if (view.byteLength < 54 || view.getUint16(0) !== 0x424d) throw damaged(name, "no BMP header");
  const infoSize = view.getUint32(14, true);
  const width = view.getInt32(18, true);
  const signedHeight = view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  const bits = checkCoding(view, name);
  checkPixels(width, height, name);
  const stride = Math.ceil((width * bits) / 32) * 4;
  const pixels = view.getUint32(10, true);
  const paletteStart = 14 + infoSize;
  const paletteCount = bits === 8 ? view.getUint32(46, true) || 256 : 0;
  if (infoSize < 40 || paletteCount > 256 || paletteStart + paletteCount * 4 > view.byteLength) {
    throw damaged(name, "a palette outside the file");
  }
  if (pixels + stride * height > view.byteLength)
    throw damaged(name, "fewer pixels than it declares");
  return {
    width,
    height,
    bits,
    isTopDown: signedHeight < 0,
    pixels,
    stride,
    paletteStart,
    paletteCount,
  };
}

function checkCoding(view: DataView, name: string): 8 | 24 | 32 {
  const bits = view.getUint16(28, true);
  const compression = view.getUint32(30, true);
  const isPlain = compression === 0 || (compression === 3 && bits === 32);
  if (!isPlain || (bits !== 8 && bits !== 24 && bits !== 32)) {
    throw inputError("this kind of BMP is not supported", {
      where: name,
      expected: "8, 24 or 32 bits per pixel, uncompressed",
      got: `${bits} bits, compression ${compression}`,
      hint: "Convert the picture to PNG.",
    });
  }
  return bits;
}

function damaged(name: string, got: string): Error {
  return inputError("the BMP picture is damaged", { where: name, got });
}

function storedRow(layout: BmpLayout, y: number): number {
  return layout.pixels + layout.stride * (layout.isTopDown ? y : layout.height - 1 - y);
}

function readTrueColor(bytes: Uint8Array, layout: BmpLayout): Image {
  const { width, height, bits } = layout;
  const step = bits / 8;
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, from = storedRow(layout, y); x < width; x++, from += step, to += 3) {
      data[to] = bytes[from + 2]!;
      data[to + 1] = bytes[from + 1]!;
      data[to + 2] = bytes[from]!;
    }
  }
  return { width, height, channels: 3, data };
}

/** Indices past the palette's end give black. */
function readIndexed(bytes: Uint8Array, layout: BmpLayout): Image {
  const { width, height } = layout;
  const palette = new Uint8Array(256 * 4);
  const end = layout.paletteStart + layout.paletteCount * 4;
  palette.set(bytes.subarray(layout.paletteStart, end));
  const isGray = isGrayPalette(palette);
  const channels = isGray ? 1 : 3;
  const data = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    const from = storedRow(layout, y);
    for (let x = 0; x < width; x++) {
      const entry = bytes[from + x]! * 4;
      if (!isGray) data[to++] = palette[entry + 2]!;
      if (!isGray) data[to++] = palette[entry + 1]!;
      data[to++] = palette[entry]!;
    }
  }
  return { width, height, channels, data };
}

function isGrayPalette(palette: Uint8Array): boolean {
  for (let at = 0; at < palette.length; at += 4) {
    if (palette[at] !== palette[at + 1] || palette[at] !== palette[at + 2]) return false;
  }
  return true;
}
