/**
 * Caffe's Datum, written: raw pixels as convert_imageset stores them, or a picture file as it is. `datum.ts` reads them.
 */
import { caffeBlobSchema } from "../protobuf/caffe-blob.ts";
import { encode } from "../protobuf/encode.ts";
import type { Image } from "./image.ts";
import { pictureHeader } from "./picture-header.ts";

/** The record of raw pixels: planes blue, green, red, or the one gray plane. */
export function rawDatum(picture: Image, label: number): Uint8Array {
  const { channels, height, width } = picture;
  const data = planesOf(picture);
  return encode(caffeBlobSchema, "Datum", { channels, height, width, data, label, encoded: false });
}

/** The record of a picture file. As Caffe's tools have it, its size is left to the file. */
export function encodedDatum(file: Uint8Array, label: number): Uint8Array {
  return encode(caffeBlobSchema, "Datum", { data: file, label, encoded: true });
}

/** Pixels red, green, blue to planes blue, green, red; a gray picture's bytes as they are. */
export function planesOf({ channels, data }: Image): Uint8Array {
  if (channels === 1) return data;
  const area = data.length / 3;
  const planes = new Uint8Array(data.length);
  for (let pixel = 0, at = 0; pixel < area; pixel++, at += 3) {
    planes[pixel] = data[at + 2]!;
    planes[area + pixel] = data[at + 1]!;
    planes[2 * area + pixel] = data[at]!;
  }
  return planes;
}

/** Where a PNG says how many bits its samples have. */
const pngDepthOffset = 24;

/**
 * True where Caffe decodes the file to what we do: JPEG or PNG with exactly the wanted channels, 8 bits each. Caffe decodes without
 * conversion, so that alpha would become a fourth channel and 16 bits an error.
 */
export function isCaffePicture(file: Uint8Array, channels: 1 | 3, name: string): boolean {
  const header = pictureHeader(file, name);
  if (header.channels !== channels || header.isCmyk) return false;
  return header.format === "jpeg" || (header.format === "png" && file[pngDepthOffset] !== 16);
}
