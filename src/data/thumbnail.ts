/**
 * Small pictures for reports: averages, so that nothing glitters. Not for networks, whose pictures `resize.ts` makes.
 */
import type { Image } from "./image.ts";
import { resize } from "./resize.ts";

/** The picture with a longer side of at most `side` pixels; small ones as they are. */
export function thumbnail(source: Image, side: number): Image {
  const longer = Math.max(source.width, source.height);
  if (longer <= side) return source;
  const coarse = averaged(source, Math.floor(longer / side));
  const scale = side / Math.max(coarse.width, coarse.height);
  const [width, height] = [coarse.width, coarse.height].map((size) =>
    Math.max(1, Math.round(size * scale)),
  ) as [number, number];
  return resize(coarse, width, height);
}

/** Means of blocks of `factor` x `factor` pixels; what is left at the right and below is dropped, unless it is all. */
function averaged(source: Image, factor: number): Image {
  const { channels, data } = source;
  const [down, across] = [Math.min(factor, source.height), Math.min(factor, source.width)];
  const height = Math.floor(source.height / down);
  const width = Math.floor(source.width / across);
  const sums = new Uint32Array(width * height * channels);
  for (let y = 0; y < height * down; y++) {
    const row = Math.floor(y / down) * width;
    for (let x = 0, from = y * source.width * channels; x < width * across; x++) {
      const to = (row + Math.floor(x / across)) * channels;
      for (let c = 0; c < channels; c++) sums[to + c]! += data[from++]!;
    }
  }
  const area = down * across;
  const means = Uint8Array.from(sums, (sum) => Math.round(sum / area));
  return { width, height, channels, data: means };
}
