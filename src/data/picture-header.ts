/**
 * Format, size and channels of a JPEG, PNG, BMP or WebP from its first bytes, before anything is
 * decoded: this is where image bombs are refused. Decoding itself is not done here.
 */
import { inputError } from "../error.ts";
import { checkPixels } from "./image.ts";

export type PictureHeader = {
  readonly format: "jpeg" | "png" | "bmp" | "webp";
  readonly width: number;
  readonly height: number;
  /** As stored: 1 gray, 2 gray and alpha, 3 colour, 4 colour and alpha; palettes count as colour. */
  readonly channels: 1 | 2 | 3 | 4;
  /** JPEG with four components: cyan, magenta, yellow, black. */
  readonly isCmyk: boolean;
};

/** The header, checked against `maxPixels`. Throws an input error that names the format where it is another. */
export function pictureHeader(bytes: Uint8Array, name: string): PictureHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readJpeg(view) ?? readPng(view) ?? readBmp(view) ?? readWebp(view);
  if (header === undefined) {
    throw inputError("not a picture that can be read", {
      where: name,
      expected: "JPEG, PNG, BMP or WebP",
      got: foundFormat(bytes),
      hint: "Convert the picture to one of these formats.",
    });
  }
  checkPixels(header.width, header.height, name);
  return header;
}

/** Start-of-frame markers: 0xC0..0xCF but for DHT, JPG and DAC. */
function isFrameMarker(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
}

function readJpeg(view: DataView): PictureHeader | undefined {
  if (view.byteLength < 4 || view.getUint16(0) !== 0xffd8) return undefined;
  let at = 2;
  while (at + 9 < view.byteLength) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    if (isFrameMarker(marker)) return jpegFrame(view, at);
    // 0xFF fills, and markers without a length, are stepped over.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd8)) at += 2;
    else at += 2 + Math.max(view.getUint16(at + 2), 2);
  }
  return undefined;
}

function jpegFrame(view: DataView, at: number): PictureHeader {
  const components = view.getUint8(at + 9);
  return {
    format: "jpeg",
    height: view.getUint16(at + 5),
    width: view.getUint16(at + 7),
    channels: components === 1 ? 1 : 3,
    isCmyk: components === 4,
  };
}

const pngChannels: Readonly<Record<number, 1 | 2 | 3 | 4>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

function readPng(view: DataView): PictureHeader | undefined {
  if (view.byteLength < 33 || view.getUint32(0) !== 0x89504e47) return undefined;
  if (view.getUint32(12) !== 0x49484452) return undefined;
  const channels = pngChannels[view.getUint8(25)];
  if (channels === undefined) return undefined;
  return {
    format: "png",
    width: view.getUint32(16),
    height: view.getUint32(20),
    channels,
    isCmyk: false,
  };
}

function readBmp(view: DataView): PictureHeader | undefined {
  if (view.byteLength < 30 || view.getUint16(0) !== 0x424d || view.getUint32(14, true) < 40)
    return undefined;
  const width = view.getInt32(18, true);
  // A negative height says that the rows run from the top.
  const height = Math.abs(view.getInt32(22, true));
  return { format: "bmp", width, height, channels: 3, isCmyk: false };
}

function readWebp(view: DataView): PictureHeader | undefined {
  if (
    view.byteLength < 30 ||
    view.getUint32(0) !== 0x52494646 ||
    view.getUint32(8) !== 0x57454250
  ) {
    return undefined;
  }
  const size = webpSize(view);
  return size === undefined ? undefined : { format: "webp", ...size, channels: 3, isCmyk: false };
}

function webpSize(view: DataView): { readonly width: number; readonly height: number } | undefined {
  const chunk = view.getUint32(12);
  if (chunk === 0x56503820) {
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  }
  if (chunk === 0x5650384c) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (chunk === 0x56503858) {
    return {
      width: (view.getUint32(23, true) >>> 8) + 1,
      height: (view.getUint32(26, true) >>> 8) + 1,
    };
  }
  return undefined;
}

const otherFormats: readonly (readonly [prefix: string, name: string])[] = [
  ["\xff\xd8", "a damaged JPEG"],
  ["\x89PNG", "a damaged PNG"],
  ["RIFF", "a damaged WebP, or another RIFF file"],
  ["BM", "a damaged BMP, or one of an old kind"],
  ["GIF8", "GIF"],
  ["II*\0", "TIFF"],
  ["MM\0*", "TIFF"],
  ["<", "text or SVG"],
  ["P5", "PGM"],
  ["P6", "PPM"],
];

function foundFormat(bytes: Uint8Array): string {
  if (bytes.length === 0) return "an empty file";
  const head = String.fromCharCode(...bytes.subarray(0, 8));
  const known = otherFormats.find(([prefix]) => head.startsWith(prefix));
  if (known !== undefined) return known[1];
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0"));
  return `bytes ${hex.join(" ")}`;
}
