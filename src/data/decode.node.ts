/**
 * Pictures from their bytes in Node: JPEG, PNG and WebP through sharp, BMP by `bmp.ts`. As OpenCV's imread of
 * Caffe's days: EXIF orientation and colour profiles are not applied, alpha is dropped without blending,
 * 16-bit samples keep their high byte, CMYK becomes RGB by OpenCV's plain formula.
 */
import type { Sharp, SharpInput, SharpOptions } from "sharp";
import { inputError, workError } from "../error.ts";
import { decodeBmp } from "./bmp.ts";
import { type Image, image, maxPixels } from "./image.ts";
import { type PictureHeader, pictureHeader } from "./picture-header.ts";

type SharpFactory = (input: SharpInput, options: SharpOptions) => Sharp;

/** Pixels that may be in decoding at once, so that memory does not grow with read-ahead. One picture may always. */
const pixelBudget = 2 ** 25;

let sharpPromise: Promise<SharpFactory> | undefined;

/** Sharp is loaded by the first picture: it costs 100 ms that `--help` should not pay. */
function loadSharp(): Promise<SharpFactory> {
  sharpPromise ??= import("sharp").then(
    (module) => {
      // Parallel over pictures, not within one; and nothing is ever decoded twice.
      module.default.concurrency(1);
      module.default.cache(false);
      return module.default;
    },
    (cause: unknown) => {
      throw workError("the image library sharp cannot be loaded", {
        got: String(cause),
        hint: "Run npm ci.",
      });
    },
  );
  return sharpPromise;
}

/**
 * The decoded picture, gray if it is stored gray. Throws an input error that names the picture where it is
 * damaged, truncated, of another format, or claims more than `maxPixels`; nothing is allocated before
 * that is known.
 */
export async function decodePicture(bytes: Uint8Array, name: string): Promise<Image> {
  const header = pictureHeader(bytes, name);
  if (header.format === "bmp") return decodeBmp(bytes, name);
  const sharp = await loadSharp();
  return await withinBudget(header.width * header.height, () =>
    decodeWith(sharp, bytes, header, name),
  );
}

async function decodeWith(
  sharp: SharpFactory,
  bytes: Uint8Array,
  header: PictureHeader,
  name: string,
): Promise<Image> {
  const pipeline = sharp(bytes, { limitInputPixels: maxPixels, failOn: "error", ignoreIcc: true });
  if (header.isCmyk) pipeline.pipelineColourspace("cmyk").toColourspace("cmyk");
  const { data, info } = await pipeline
    .raw()
    .toBuffer({ resolveWithObject: true })
    .catch((cause: unknown) => {
      throw damaged(name, bytes, header, cause);
    });
  if (info.width !== header.width || info.height !== header.height) {
    throw damaged(name, bytes, header, new Error(`decodes to ${info.width}x${info.height}`));
  }
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (header.isCmyk && info.channels === 4) return fromCmyk(info.width, info.height, pixels);
  const isGray = header.channels <= 2 || info.channels <= 2;
  return pickChannels(info.width, info.height, info.channels, pixels, isGray ? 1 : 3);
}

/** The library's message may be lost to another decode that runs beside it, so the bytes are asked too. */
function damaged(name: string, bytes: Uint8Array, header: PictureHeader, cause: unknown): Error {
  const [first] = (cause instanceof Error ? cause.message : String(cause)).split("\n");
  const isCut =
    (header.format === "jpeg" && !hasJpegEnd(bytes)) ||
    /premature|truncat|end of|too short|not enough/i.test(first ?? "");
  return inputError(isCut ? "the picture is truncated" : "the picture is damaged", {
    where: name,
    expected: `${header.format} of ${header.width}x${header.height}`,
    got: first?.trim(),
  });
}

/** Bytes behind a picture's end that some writers leave. */
const slackBytes = 4096;

/** True where the end marker stands among the last bytes. */
function hasJpegEnd(bytes: Uint8Array): boolean {
  const first = Math.max(0, bytes.length - slackBytes);
  for (let at = bytes.length - 2; at >= first; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}

/** The first `wanted` of the stored channels: drops alpha, and the copies of a gray picture's values. */
function pickChannels(
  width: number,
  height: number,
  stored: number,
  pixels: Uint8Array,
  wanted: 1 | 3,
): Image {
  if (stored === wanted) return image(width, height, wanted, pixels);
  const data = new Uint8Array(width * height * wanted);
  for (let pixel = 0, from = 0, to = 0; pixel < width * height; pixel++, from += stored) {
    for (let c = 0; c < wanted; c++) data[to++] = pixels[from + c]!;
  }
  return image(width, height, wanted, data);
}

/** Ink amounts 0..255 to light: with i = 255 - ink and k = 255 - black, value = k - (((255 - i) * k) >> 8). */
function fromCmyk(width: number, height: number, pixels: Uint8Array): Image {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4) {
    const light = 255 - pixels[from + 3]!;
    for (let c = 0; c < 3; c++) data[to++] = light - ((pixels[from + c]! * light) >> 8);
  }
  return image(width, height, 3, data);
}

let pixelsRunning = 0;
const waiting: { readonly pixels: number; readonly go: () => void }[] = [];

/** Runs the job when its pixels fit the budget, first come first served. */
async function withinBudget<T>(pixels: number, job: () => Promise<T>): Promise<T> {
  if (waiting.length > 0 || !fitsBudget(pixels)) {
    await new Promise<void>((go) => waiting.push({ pixels, go }));
  } else {
    pixelsRunning += pixels;
  }
  try {
    return await job();
  } finally {
    pixelsRunning -= pixels;
    admitWaiting();
  }
}

function fitsBudget(pixels: number): boolean {
  return pixelsRunning === 0 || pixelsRunning + pixels <= pixelBudget;
}

function admitWaiting(): void {
  for (let next = waiting[0]; next !== undefined && fitsBudget(next.pixels); next = waiting[0]) {
    waiting.shift();
    pixelsRunning += next.pixels;
    next.go();
  }
}
