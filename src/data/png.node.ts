/**
 * PNG files from pictures: 8 bits, gray or RGB, lossless. Decoding is `decode.node.ts`'s matter.
 */
import { crc32, deflateSync } from "node:zlib";
import type { Image } from "./image.ts";

const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const colorType = { 1: 0, 3: 2 } as const;
/** Each byte as its difference from the pixel to the left. */
const filterSub = 1;

export function encodePng(picture: Image): Uint8Array {
  const { width, height, channels } = picture;
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  header.set([8, colorType[channels], 0, 0, 0], 8);
  const parts = [
    signature,
    chunk("IHDR", header),
    chunk("IDAT", deflateSync(filteredRows(picture))),
    chunk("IEND", new Uint8Array(0)),
  ];
  return new Uint8Array(Buffer.concat(parts));
}

function filteredRows({ width, height, channels, data }: Image): Uint8Array {
  const stride = width * channels;
  const rows = new Uint8Array(height * (1 + stride));
  for (let y = 0, to = 0; y < height; y++) {
    const row = data.subarray(y * stride, (y + 1) * stride);
    rows[to++] = filterSub;
    for (let x = 0; x < stride; x++) rows[to++] = row[x]! - (x < channels ? 0 : row[x - channels]!);
  }
  return rows;
}

function chunk(type: string, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(type), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}
