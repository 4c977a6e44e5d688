/**
 * What the first convolution gives on some pictures, per channel, and how far that is from what a batch norm
 * behind it saw in training. Preprocessing is applied here, so that many settings cost one session.
 */
import { normalize } from "../data/normalize.ts";
import { isMeanImage, type Preprocess } from "../data/preprocess.ts";
import { workError } from "../error.ts";
import { elementCount } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { NormStatistics } from "./first-layer.ts";
import type { GraphSession } from "./session.ts";

/** Mean and variance per channel over pictures and pixels. */
export type ChannelStatistics = {
  readonly mean: readonly number[];
  readonly variance: readonly number[];
};

/** Pictures as bytes [n, h, w, c] in the order that the user asked for, batch by batch. */
export type PictureBytes = readonly Tensor<"uint8">[];

/** Statistics of the convolution `id` that is the session's only output, under a preprocessing. */
export async function channelStatistics(
  session: GraphSession,
  id: string,
  pictures: PictureBytes,
  preprocess: Preprocess,
): Promise<ChannelStatistics> {
  const sums: number[] = [];
  const squares: number[] = [];
  let count = 0;
  for (const images of pictures) {
    const feeds = new Map([[session.inputs[0] ?? "", normalize(images, preprocess)]]);
    const value = (await session.run(feeds)).get(id);
    if (value?.dtype !== "float32") throw workError(`"${id}" was not computed`);
    const [n = 0, channels = 0, ...inner] = value.shape;
    const pixels = elementCount(inner);
    for (let plane = 0; plane < n * channels; plane += 1) {
      const [sum, square] = sumsOf(value.data.subarray(plane * pixels, (plane + 1) * pixels));
      const channel = plane % channels;
      sums[channel] = (sums[channel] ?? 0) + sum;
      squares[channel] = (squares[channel] ?? 0) + square;
    }
    count += n * pixels;
  }
  const mean = sums.map((sum) => sum / count);
  const variance = mean.map((value, at) => Math.max(0, (squares[at] ?? 0) / count - value * value));
  return { mean, variance };
}

function sumsOf(values: Float32Array): readonly [sum: number, squares: number] {
  let [sum, squares] = [0, 0];
  for (const value of values) {
    sum += value;
    squares += value * value;
  }
  return [sum, squares];
}

/**
 * How far observed statistics are from the expected: per channel the divergence of two normal distributions,
 * (v/V + (m-M)^2/V - 1 - ln(v/V)) / 2, and its mean over the channels. 0 where they are equal.
 */
export function divergence(observed: ChannelStatistics, expected: NormStatistics): number {
  const terms = expected.used.map((at) => {
    const wanted = expected.variance[at] ?? 1;
    const ratio = Math.max((observed.variance[at] ?? 0) / wanted, 1e-12);
    const shift = (observed.mean[at] ?? 0) - (expected.mean[at] ?? 0);
    return (ratio + (shift * shift) / wanted - 1 - Math.log(ratio)) / 2;
  });
  return terms.reduce((sum, term) => sum + term, 0) / terms.length;
}

/** Means off by how many expected deviations (root mean square), and the deviation's mean factor (geometric). */
export function deviations(
  observed: ChannelStatistics,
  expected: NormStatistics,
): { readonly shift: number; readonly spread: number } {
  const { used, mean, variance } = expected;
  let [squares, logs] = [0, 0];
  for (const at of used) {
    const wanted = variance[at] ?? 1;
    squares += ((observed.mean[at] ?? 0) - (mean[at] ?? 0)) ** 2 / wanted;
    logs += Math.log(Math.max((observed.variance[at] ?? 0) / wanted, 1e-12)) / 2;
  }
  return { shift: Math.sqrt(squares / used.length), spread: Math.exp(logs / used.length) };
}

/** The pictures with red and blue exchanged. */
export function swapChannels(images: Tensor<"uint8">): Tensor<"uint8"> {
  const data = new Uint8Array(images.data.length);
  for (let at = 0; at + 2 < data.length; at += 3) {
    data[at] = images.data[at + 2]!;
    data[at + 1] = images.data[at + 1]!;
    data[at + 2] = images.data[at]!;
  }
  return tensor("uint8", images.shape, data);
}

type Numbers = {
  readonly mean: readonly number[];
  readonly scale: number;
  readonly std: readonly number[];
};

/** What most published networks were trained with; colour values in RGB. */
const usualColor: readonly Numbers[] = [
  { mean: [0], scale: 1, std: [1] },
  { mean: [0], scale: 1 / 255, std: [1] },
  { mean: [127.5], scale: 1 / 127.5, std: [1] },
  { mean: [123.675, 116.28, 103.53], scale: 1 / 255, std: [0.229, 0.224, 0.225] },
  { mean: [123, 117, 104], scale: 1, std: [1] },
  { mean: [123.68, 116.78, 103.94], scale: 0.017, std: [1] },
];
const usualGray: readonly Numbers[] = [
  ...usualColor.slice(0, 3),
  { mean: [33.3285], scale: 1 / 255, std: [0.3081] },
];

/** The preprocessing with other numbers: the usual ones, and the user's own, each in both orders. */
export function alternatives(preprocess: Preprocess, channels: number): readonly Preprocess[] {
  if (channels === 1) return usualGray.map((numbers) => ({ ...preprocess, ...numbers }));
  const orders = ["rgb", "bgr"] as const;
  const usual = orders.flatMap((order) =>
    usualColor.map(({ mean, scale, std }): Preprocess => {
      const turned = (values: readonly number[]) =>
        order === "rgb" ? values : values.toReversed();
      return {
        ...preprocess,
        order,
        mean: turned(mean),
        scale,
        std: turned(std),
      };
    }),
  );
  const swapped = preprocess.order === "rgb" ? "bgr" : "rgb";
  return [{ ...preprocess, order: swapped }, ...usual];
}

/** The flags that say the order and the numbers: `--order bgr --mean 104,117,123 --scale 1 --std 1`. */
export function flagsOf({ order, mean, scale, std }: Preprocess, channels: number): string {
  const inverse = 1 / scale;
  const rounded = Math.round(inverse * 2) / 2;
  const fraction = Math.abs(inverse - rounded) < 1e-9 && rounded > 1;
  return [
    channels === 3 ? `--order ${order}` : "",
    `--mean ${isMeanImage(mean) ? mean.file : mean.join(",")}`,
    `--scale ${fraction ? `1/${rounded}` : scale}`,
    std.every((value) => value === 1) ? "" : `--std ${std.join(",")}`,
  ]
    .filter((flag) => flag !== "")
    .join(" ");
}
