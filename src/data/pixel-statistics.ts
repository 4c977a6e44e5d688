/**
 * Mean and deviation of pictures, channel by channel, and the sizes that occur: what one wants to know of a data set.
 */
import type { Image } from "./image.ts";

export type PixelStatistics = {
  readonly add: (picture: Image) => void;
  /** Most frequent first. */
  readonly sizes: () => readonly (Omit<Image, "data"> & { readonly count: number })[];
  /** Red, green, blue or gray, over all pixels; undefined where gray and colour are mixed, and for no picture. */
  readonly moments: () =>
    | { readonly mean: readonly number[]; readonly std: readonly number[] }
    | undefined;
};

type Sums = { readonly sum: number[]; readonly squares: number[]; pixels: number };

/** Sums are whole numbers, and exact up to 10^11 pixels. */
export function pixelStatistics(): PixelStatistics {
  const sizes = new Map<string, Omit<Image, "data"> & { count: number }>();
  const sums = new Map<number, Sums>();
  const add = (picture: Image): void => {
    const { width, height, channels } = picture;
    const key = `${width}x${height}x${channels}`;
    const size = sizes.get(key);
    if (size === undefined) sizes.set(key, { width, height, channels, count: 1 });
    else size.count += 1;
    sums.set(channels, addPixels(sums.get(channels), picture));
  };
  return {
    add,
    sizes: () => [...sizes.values()].sort((a, b) => b.count - a.count),
    moments: () => {
      const [only, ...others] = sums.values();
      return only === undefined || others.length > 0 ? undefined : momentsOf(only);
    },
  };
}

function addPixels(before: Sums | undefined, { channels, data }: Image): Sums {
  const zeros = (): number[] => new Array<number>(channels).fill(0);
  const sums = before ?? { sum: zeros(), squares: zeros(), pixels: 0 };
  for (let c = 0; c < channels; c++) {
    let [sum, squares] = [0, 0];
    for (let at = c; at < data.length; at += channels) {
      const value = data[at]!;
      sum += value;
      squares += value * value;
    }
    sums.sum[c]! += sum;
    sums.squares[c]! += squares;
  }
  sums.pixels += data.length / channels;
  return sums;
}

function momentsOf({ sum, squares, pixels }: Sums): {
  readonly mean: readonly number[];
  readonly std: readonly number[];
} {
  const mean = sum.map((total) => total / pixels);
  const std = squares.map((total, c) => Math.sqrt(Math.max(0, total / pixels - mean[c]! ** 2)));
  return { mean, std };
}
