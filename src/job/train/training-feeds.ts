/**
 * Batches of pictures as what a training step is fed with, pass by pass: bytes, checked labels, and each picture's own
 * part of a mean image.
 */
import type { Augmentation } from "../../data/augmentation.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { PictureWindow } from "../../data/picture-window.ts";
import { isMeanImage, type MeanImage } from "../../data/preprocess.ts";
import {
  openTrainingBatches,
  type TrainingBatch,
  type TrainingBatches,
} from "../../data/training-batches.ts";
import type { Values } from "../../engine/runtime.ts";
import { inputError } from "../../error.ts";
import type { LayerParameter } from "../../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../../notice.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import type { FedNetwork, PictureSource } from "../../train/fed-network.ts";
import { labelCheck } from "../../train/label-checks.ts";
import type { PassFeeds } from "../../train/trainer.ts";

/** What a data layer gives. */
export type TrainingPictures = PictureSource & {
  readonly layer: LayerParameter;
  readonly dataset: Dataset;
  readonly batchSize: number;
  readonly mirror: boolean;
};

export type TrainingFeeds = {
  readonly next: PassFeeds;
  /** What the last passes were fed with, the oldest first: as many as `keep`. */
  readonly recent: () => readonly Values[];
  readonly close: () => void;
};

export type TrainingFeedsOptions = {
  readonly seed: number;
  /** The pass that the first batch is for. */
  readonly start: number;
  /** Passes that `recent` remembers. */
  readonly keep: number;
  readonly onWarning?: OnWarning | undefined;
};

/** Opens the data layer's pictures in the order and with the random changes that Caffe gives them in training. */
export function openTrainingFeeds(
  fed: FedNetwork,
  data: TrainingPictures,
  { seed, start, keep, onWarning }: TrainingFeedsOptions,
): TrainingFeeds {
  const { dataset, preprocess, size, batchSize: batch, layer } = data;
  const shuffle = layer.image_data_param?.shuffle === true;
  const augment = augmentationOf(data);
  const batches: TrainingBatches = openTrainingBatches(dataset, {
    ...{ preprocess, size, batch, shuffle, seed, augment, readAhead: 2, start, onWarning },
  });
  const check = labelCheck(fed);
  const recent: Values[] = [];
  return {
    next: async () => {
      const taken = await batches.next();
      const nameOf = (at: number): string => `${dataset.source}: ${taken.names[at] ?? ""}`;
      check(taken.labels, nameOf);
      const feeds = feedsOf(fed, data, taken, nameOf);
      recent.push(feeds);
      if (recent.length > keep) recent.shift();
      return feeds;
    },
    recent: () => recent,
    close: batches.close,
  };
}

/** What Caffe does in training: crops anywhere, and mirrors every second picture. */
function augmentationOf({ preprocess: { crop }, mirror }: TrainingPictures): Augmentation {
  return {
    ...(crop !== undefined && { crop: { size: crop, place: "random" } }),
    ...(mirror && { flip: true }),
  };
}

function feedsOf(
  { pictures, label, mean: meanInput }: FedNetwork,
  { preprocess: { mean } }: TrainingPictures,
  { images, labels, windows }: TrainingBatch,
  nameOf: (at: number) => string,
): Values {
  const feeds = new Map<string, Tensor>([[pictures, images]]);
  if (label !== undefined) feeds.set(label, float32([labels.length], labels));
  if (meanInput !== undefined && isMeanImage(mean)) {
    feeds.set(meanInput, meanWindows(mean, windows, nameOf));
  }
  return feeds;
}

/** For each picture the part of the mean image that it was cut from, mirrored as it was. */
function meanWindows(
  mean: MeanImage,
  windows: readonly PictureWindow[],
  nameOf: (at: number) => string,
): Tensor<"float32"> {
  const [channels] = mean.shape;
  const [{ height, width } = { height: 0, width: 0 }] = windows;
  const size = channels * height * width;
  const out = new Float32Array(windows.length * size);
  for (const [at, window] of windows.entries()) {
    checkInside(mean, window, nameOf(at));
    copyMean(mean, window, out.subarray(at * size, (at + 1) * size));
  }
  return float32([windows.length, channels, height, width], out);
}

function checkInside({ file, shape }: MeanImage, window: PictureWindow, name: string): void {
  const [, height, width] = shape;
  const { top, left } = window;
  if (top + window.height <= height && left + window.width <= width) return;
  throw inputError("the picture is larger than the mean image", {
    ...{ where: name, expected: `${width}x${height}, as ${file}` },
    got: `a part of ${window.width}x${window.height} at ${left}, ${top}`,
  });
}

function copyMean({ shape, values }: MeanImage, window: PictureWindow, out: Float32Array): void {
  const [channels, rows, columns] = shape;
  const { top, left, height, width, isMirrored } = window;
  let to = 0;
  for (let channel = 0; channel < channels; channel += 1) {
    for (let y = 0; y < height; y += 1) {
      const row = (channel * rows + top + y) * columns + left;
      for (let x = 0; x < width; x += 1) {
        out[to++] = values[row + (isMirrored ? width - 1 - x : x)] ?? 0;
      }
    }
  }
}
