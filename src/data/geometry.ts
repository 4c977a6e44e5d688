/**
 * From a decoded picture to the pixels a network sees: colour, resize, crop, resize again. uint8 to
 * uint8, and no numbers yet.
 */
import { inputError } from "../error.ts";
import { checkPixels, type Image, toColor, toGray } from "./image.ts";
import type { Preprocess, Resize } from "./preprocess.ts";
import { resize } from "./resize.ts";

/**
 * Colour, resize, crop and resizeAfter, in this order. `channels` is the network's; `name` is for
 * errors. Throws an input error where the crop is larger than the picture.
 */
export function applyGeometry(
  source: Image,
  preprocess: Preprocess,
  channels: 1 | 3,
  name: string,
): Image {
  let picture = channels === 1 ? toGray(source) : toColor(source);
  if (preprocess.resize !== undefined) {
    const { width, height } = resizedSize(picture, preprocess.resize);
    checkPixels(width, height, `${name} (${picture.width}x${picture.height}) resized`);
    picture = resize(picture, width, height);
  }
  if (preprocess.crop !== undefined)
    picture = centreCrop(picture, preprocess.crop, preprocess.crop, name);
  if (preprocess.resizeAfter !== undefined) {
    picture = resize(picture, preprocess.resizeAfter, preprocess.resizeAfter);
  }
  return picture;
}

/** The size that `resize` asks for. 375x500 with shorter side 256: 256x341. */
export function resizedSize(
  size: { readonly width: number; readonly height: number },
  resize: Resize,
): { readonly width: number; readonly height: number } {
  if (resize.kind === "exact") return { width: resize.width, height: resize.height };
  const shorter = Math.min(size.width, size.height);
  const longSide = Math.floor((resize.size * Math.max(size.width, size.height)) / shorter);
  return size.width <= size.height
    ? { width: resize.size, height: longSide }
    : { width: longSide, height: resize.size };
}

/** The centre `width` x `height` pixels; offsets floor((size - crop) / 2), as Caffe's crop_size in TEST. */
export function centreCrop(source: Image, width: number, height: number, name: string): Image {
  if (source.width === width && source.height === height) return source;
  if (source.width < width || source.height < height) {
    throw inputError("the picture is smaller than the crop", {
      where: name,
      expected: `at least ${width}x${height}`,
      got: `${source.width}x${source.height}`,
      hint: "Add --resize to enlarge small pictures first, or crop less.",
    });
  }
  const { channels } = source;
  const left = Math.floor((source.width - width) / 2);
  const top = Math.floor((source.height - height) / 2);
  const out = new Uint8Array(width * height * channels);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * source.width + left) * channels;
    out.set(source.data.subarray(from, from + width * channels), y * width * channels);
  }
  return { width, height, channels, data: out };
}
