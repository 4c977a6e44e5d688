/**
 * Random brightness, contrast and saturation on uint8 pictures, in integers, so that every machine gives the same bytes.
 */
import type { Random } from "../tensor/random.ts";
import { type Image, toGray } from "./image.ts";

/** Strengths in 0..1: a factor is drawn evenly from [1 - strength, 1 + strength], in steps of 1/4096. */
export type ColorJitter = {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
};

const one = 4096;

/**
 * The picture with three drawn factors F = factor * 4096, each step rounded and clamped to 0..255, in this order:
 * brightness v = (v F + 2048) >> 12; contrast v = m + ((v - m) F + 2048 >> 12), where m is the rounded mean of the gray picture
 * (`toGray`); saturation v = g + ((v - g) F + 2048 >> 12), where g is the pixel's own gray. Saturation leaves gray
 * pictures alone. torchvision's ColorJitter but for its random order. Three numbers are drawn, whatever the strengths.
 */
export function jitterColors(source: Image, jitter: ColorJitter, random: Random): Image {
  const brightness = drawFactor(jitter.brightness, random);
  const contrast = drawFactor(jitter.contrast, random);
  const saturation = drawFactor(jitter.saturation, random);
  const lit = { ...source, data: spread(source.data, 0, brightness) };
  const middle = contrast === one ? 0 : meanGray(lit);
  const even = { ...lit, data: spread(lit.data, middle, contrast) };
  return source.channels === 1 || saturation === one ? even : saturate(even, saturation);
}

function drawFactor(strength: number, random: Random): number {
  const reach = Math.round(strength * one);
  return one - reach + random.below(2 * reach + 1);
}

/** v = middle + (v - middle) * factor for every byte. */
function spread(data: Uint8Array, middle: number, factor: number): Uint8Array {
  if (factor === one) return data;
  const table = new Uint8ClampedArray(256);
  for (let value = 0; value < 256; value++) {
    table[value] = middle + (((value - middle) * factor + one / 2) >> 12);
  }
  const out = new Uint8Array(data.length);
  for (let at = 0; at < out.length; at++) out[at] = table[data[at]!]!;
  return out;
}

function meanGray(picture: Image): number {
  const { data } = toGray(picture);
  let sum = 0;
  for (let at = 0; at < data.length; at++) sum += data[at]!;
  return Math.floor((2 * sum + data.length) / (2 * data.length));
}

function saturate(picture: Image, factor: number): Image {
  const gray = toGray(picture).data;
  const out = new Uint8ClampedArray(picture.data.length);
  for (let at = 0, pixel = 0; pixel < gray.length; pixel++) {
    const middle = gray[pixel]!;
    for (let c = 0; c < 3; c++, at++) {
      out[at] = middle + (((picture.data[at]! - middle) * factor + one / 2) >> 12);
    }
  }
  return { ...picture, data: new Uint8Array(out.buffer) };
}
