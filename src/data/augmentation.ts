/**
 * Random changes of training pictures: Caffe's mirror and crop, and pad-and-crop, resized crop and colour jitter. uint8 to uint8, with
 * integers, square roots and products alone, so that a seed gives the same pictures on every machine.
 */
import { inputError, usageError } from "../error.ts";
import type { Random } from "../tensor/random.ts";
import type { ColorJitter } from "./color-jitter.ts";
import type { Image } from "./image.ts";
import { cutWindow, type PictureWindow, wholeWindow } from "./picture-window.ts";
import { resize } from "./resize.ts";

/** Steps in the order in which they are applied, and draw their numbers. */
export type Augmentation = {
  /**
   * A random part of the picture, resized to `size` x `size`. Its area is a share of the picture's drawn evenly from `scale`,
   * its width over its height is drawn from `ratio`, evenly in the logarithm.
   */
  readonly resizedCrop?: {
    readonly size: number;
    readonly scale: readonly [min: number, max: number];
    readonly ratio: readonly [min: number, max: number];
  };
  /** `pad` black pixels on every side, then a window of the picture's own size anywhere in it. */
  readonly padAndCrop?: { readonly pad: number };
  /** A square of `size` pixels: anywhere (Caffe's crop_size in training), or at floor((side - size) / 2) (Caffe's in test). */
  readonly crop?: { readonly size: number; readonly place: "random" | "centre" };
  /** Left and right change places in every second picture, by chance: Caffe's mirror. */
  readonly flip?: boolean;
  readonly colorJitter?: ColorJitter;
};

/** What one picture gets: its part to be resized, if any, and the window of that. */
export type Placement = { readonly picture: Image; readonly window: PictureWindow };

/** Largest pad, crop and size in pixels. */
const maxSide = 16_384;

/** Throws a usage error at the first field that cannot be meant; gives the record back. */
export function checkAugmentation(augment: Augmentation): Augmentation {
  const { resizedCrop, padAndCrop, crop, colorJitter } = augment;
  if (resizedCrop !== undefined) {
    checkRange("the side of a resized crop", resizedCrop.size, 1, maxSide, true);
    checkPair("the scale of a resized crop", resizedCrop.scale, 1);
    checkPair("the ratio of a resized crop", resizedCrop.ratio, 100);
  }
  if (padAndCrop !== undefined) checkRange("the pad", padAndCrop.pad, 0, maxSide, true);
  if (crop !== undefined) checkRange("the crop", crop.size, 1, maxSide, true);
  for (const [name, strength] of Object.entries(colorJitter ?? {})) {
    checkRange(name, strength, 0, 1, false);
  }
  return augment;
}

function checkRange(what: string, value: number, min: number, max: number, whole: boolean): void {
  if (value >= min && value <= max && (!whole || Number.isInteger(value))) return;
  const kind = whole ? "a whole number in " : "";
  throw usageError(`${what} is out of range`, {
    expected: `${kind}${min}..${max}`,
    got: `${value}`,
  });
}

function checkPair(what: string, [min, max]: readonly [number, number], limit: number): void {
  if (min > 0 && min <= max && max <= limit) return;
  throw usageError(`${what} must be two numbers, the smaller first`, {
    expected: `above 0, at most ${limit}`,
    got: `${min}, ${max}`,
  });
}

/** Draws where the picture is cut: all random steps but the colours. `name` is for errors. */
export function place(
  source: Image,
  augment: Augmentation,
  random: Random,
  name: string,
): Placement {
  const { resizedCrop, padAndCrop, crop, flip } = augment;
  const picture =
    resizedCrop === undefined
      ? source
      : resize(
          cutWindow(source, drawPart(source, resizedCrop, random)),
          resizedCrop.size,
          resizedCrop.size,
        );
  let window = wholeWindow(picture);
  if (padAndCrop !== undefined) window = moveBy(window, padAndCrop.pad, random);
  if (crop !== undefined) window = cropWindow(window, crop, random, name);
  return {
    picture,
    window: flip === true ? { ...window, isMirrored: random.below(2) === 1 } : window,
  };
}

function moveBy(window: PictureWindow, pad: number, random: Random): PictureWindow {
  const top = random.below(2 * pad + 1) - pad;
  return { ...window, top, left: random.below(2 * pad + 1) - pad };
}

function cropWindow(
  window: PictureWindow,
  { size, place }: { readonly size: number; readonly place: "random" | "centre" },
  random: Random,
  name: string,
): PictureWindow {
  const down = window.height - size;
  const right = window.width - size;
  if (down < 0 || right < 0) {
    throw inputError("the picture is smaller than the crop", {
      where: name,
      expected: `at least ${size}x${size}`,
      got: `${window.width}x${window.height}`,
      hint: "Resize the pictures first, or crop less.",
    });
  }
  const isRandom = place === "random";
  const top = window.top + (isRandom ? random.below(down + 1) : Math.floor(down / 2));
  const left = window.left + (isRandom ? random.below(right + 1) : Math.floor(right / 2));
  return { ...window, top, left, height: size, width: size };
}

/** Tries before the centre is taken, as torchvision's RandomResizedCrop has it. */
const partTries = 10;

/**
 * width = round(sqrt(area * share * ratio)), height = round(sqrt(area * share / ratio)); drawn again, ten times at most, where that does not
 * fit the picture. Then the largest centred part whose ratio lies within the limits.
 */
function drawPart(
  source: Image,
  { scale, ratio }: NonNullable<Augmentation["resizedCrop"]>,
  random: Random,
): PictureWindow {
  const area = source.width * source.height;
  for (let attempt = 0; attempt < partTries; attempt++) {
    const share = area * (scale[0] + (scale[1] - scale[0]) * random.unit());
    const shape = ratio[0] * binaryPower(ratio[1] / ratio[0], random.uint32());
    const width = Math.round(Math.sqrt(share * shape));
    const height = Math.round(Math.sqrt(share / shape));
    const fits = width > 0 && height > 0 && width <= source.width && height <= source.height;
    if (!fits) continue;
    const top = random.below(source.height - height + 1);
    return { top, left: random.below(source.width - width + 1), width, height, isMirrored: false };
  }
  return centrePart(source, ratio);
}

function centrePart(source: Image, ratio: readonly [number, number]): PictureWindow {
  const given = source.width / source.height;
  const width = given > ratio[1] ? Math.round(source.height * ratio[1]) : source.width;
  const height = given < ratio[0] ? Math.round(source.width / ratio[0]) : source.height;
  const top = Math.floor((source.height - height) / 2);
  const left = Math.floor((source.width - width) / 2);
  return { top, left, width: Math.max(1, width), height: Math.max(1, height), isMirrored: false };
}

/** base^(bits / 2^32) of the upper 16 bits, by square roots and products, whose rounding IEEE 754 fixes; `Math.pow` differs between machines. */
function binaryPower(base: number, bits: number): number {
  let power = 1;
  let root = base;
  for (let bit = 31; bit >= 16; bit--) {
    root = Math.sqrt(root);
    if (((bits >>> bit) & 1) === 1) power *= root;
  }
  return power;
}
