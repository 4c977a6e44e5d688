/**
 * Endless batches for training as a pure function of the seed and the iteration, so that a run that is taken up again sees what it would have
 * seen. Pictures are decoded ahead of the step and kept, before anything random happens to them, while there is room.
 */
import { inputError, usageError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import { createRandom } from "../tensor/random.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { type Augmentation, checkAugmentation, place } from "./augmentation.ts";
import { fitter, type InputSize } from "./batch.ts";
import { jitterColors } from "./color-jitter.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { applyGeometry } from "./geometry.ts";
import type { Image } from "./image.ts";
import {
  copyWindow,
  cutWindow,
  type PictureWindow,
  type PixelTarget,
  wholeWindow,
} from "./picture-window.ts";
import { checkPreprocess, type Preprocess, pictureChannels } from "./preprocess.ts";
import { resize } from "./resize.ts";
import { type SampleOrder, sequentialOrder, shuffledOrder } from "./sample-order.ts";

export type TrainingBatch = {
  /** `[n, h, w, c]`, channels in `preprocess.order`. */
  readonly images: Tensor<"uint8">;
  /** `[n]`; whether they are in range is for who knows the classes. */
  readonly labels: Float32Array;
  readonly names: readonly string[];
  /** Which part of its picture each sample is: of what `resizedCrop` leaves, where that is asked for. */
  readonly windows: readonly PictureWindow[];
};

export type TrainingBatches = {
  /** The batch of the next iteration. Throws where one of its samples cannot be read or has no label. */
  readonly next: () => Promise<TrainingBatch>;
  /** Starts no further decoding and lets go of the kept pictures. */
  readonly close: () => void;
};

export type TrainingBatchOptions = {
  /** `crop` of the augmentation takes the place of `preprocess.crop`; `resizedCrop` that of `crop` and `resizeAfter`. */
  readonly preprocess: Preprocess;
  readonly size: InputSize;
  /** Samples per batch, at least 1. All batches have as many. */
  readonly batch: number;
  /** A new order for every epoch; otherwise the data set's own, over and over. */
  readonly shuffle: boolean;
  readonly seed: number;
  readonly augment: Augmentation;
  /** Memory for decoded pictures; 512 MiB by default. The first that come stay. */
  readonly cacheBytes?: number | undefined;
  /** How many further batches may be in preparation; 0 decodes on demand. */
  readonly readAhead: number;
  /** The iteration of the first batch, from 0. */
  readonly start: number;
  /** `size-mismatch`, once, as `batches` has it. */
  readonly onWarning?: OnWarning | undefined;
};

const defaultCacheBytes = 2 ** 29;
/** Keeps the streams of augmentation apart from those of the order. */
const augmentStream = 0x61756720;

/**
 * Batch k takes the samples at k * batch ... (k + 1) * batch - 1 of the endless sequence, across the borders of epochs as
 * Caffe does. What happens to a sample there depends on the seed and that position alone.
 */
export function openTrainingBatches(
  dataset: Dataset,
  options: TrainingBatchOptions,
): TrainingBatches {
  checkOptions(dataset, options);
  const prepare = batchMaker(dataset, options);
  const running: Promise<TrainingBatch>[] = [];
  let iteration = options.start;
  let isClosed = false;
  const fill = (): void => {
    while (running.length <= options.readAhead) {
      const made = prepare(iteration++);
      // The consumer meets the failure when its turn comes; until then it must not count as unhandled.
      made.catch(() => undefined);
      running.push(made);
    }
  };
  return {
    next: async () => {
      if (isClosed) throw usageError("the batches are closed");
      fill();
      return await (running.shift() as Promise<TrainingBatch>);
    },
    close: () => {
      isClosed = true;
      running.length = 0;
    },
  };
}

function checkOptions(dataset: Dataset, options: TrainingBatchOptions): void {
  checkCount("the batch", options.batch, 1);
  checkCount("readAhead", options.readAhead, 0);
  checkCount("the first iteration", options.start, 0);
  checkCount("cacheBytes", options.cacheBytes ?? 0, 0);
  checkPreprocess(options.preprocess);
  checkAugmentation(options.augment);
  if (dataset.samples.length === 0) {
    throw inputError("the data set is empty", { where: dataset.source });
  }
}

function checkCount(what: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw usageError(`${what} must be a whole number, at least ${least}`, { got: `${value}` });
}

type Fit = ReturnType<typeof fitter>;

function batchMaker(
  dataset: Dataset,
  options: TrainingBatchOptions,
): (iteration: number) => Promise<TrainingBatch> {
  const { samples } = dataset;
  const { batch, size, seed } = options;
  const order: SampleOrder = options.shuffle
    ? shuffledOrder(samples.length, seed)
    : sequentialOrder(samples.length);
  const toInput = fitter(options.preprocess, size, options.onWarning);
  const base = cached(
    samples,
    baseLoader(options, toInput),
    options.cacheBytes ?? defaultCacheBytes,
  );
  const write = writer(options, toInput);
  return async (iteration) => {
    const positions = Array.from({ length: batch }, (_, slot) => iteration * batch + slot);
    const indices = positions.map(order);
    const chosen = indices.map((index) => samples[index] as Sample);
    const labels = Float32Array.from(chosen, (sample) => labelOf(sample, dataset.source));
    const pictures = await Promise.all(indices.map(base));
    const images = tensor(
      "uint8",
      [batch, size.height, size.width, size.channels],
      emptyBatch(options),
    );
    const windows = pictures.map((picture, slot) =>
      write(picture, images.data, slot, positions[slot]!, chosen[slot]!.name),
    );
    return { images, labels, names: chosen.map(({ name }) => name), windows };
  };
}

function emptyBatch({ batch, size }: TrainingBatchOptions): Uint8Array {
  return new Uint8Array(batch * size.height * size.width * size.channels);
}

function labelOf(sample: Sample, source: string): number {
  if (sample.label !== undefined) return sample.label;
  throw inputError("a sample has no label", {
    where: `${source}: ${sample.name}`,
    expected: "a label for every picture that is trained on",
    hint: "Write a label behind every name of the list, or give a folder of class folders.",
  });
}

/** A sample's picture up to where chance begins, and in the network's size unless a random crop comes first. */
function baseLoader(
  options: TrainingBatchOptions,
  toInput: Fit,
): (sample: Sample) => Promise<Image> {
  const { preprocess, augment, size } = options;
  const channels = pictureChannels(preprocess.color, size.channels);
  const { crop: _crop, resizeAfter: _after, ...rest } = preprocess;
  const changesSize = augment.crop !== undefined || augment.resizedCrop !== undefined;
  const geometry = changesSize ? rest : preprocess;
  return async (sample) => {
    const picture = applyGeometry(await sample.load(), geometry, channels, sample.name);
    return changesSize ? picture : toInput(picture, sample.name);
  };
}

/** Pictures by sample index; what fits into `limit` bytes is loaded once. Failures are not kept. */
function cached(
  samples: readonly Sample[],
  load: (sample: Sample) => Promise<Image>,
  limit: number,
): (index: number) => Image | Promise<Image> {
  const kept = new Map<number, Image>();
  let bytes = 0;
  const keep = (index: number, picture: Image): Image => {
    const needed = picture.data.byteLength;
    if (bytes + needed > limit || kept.has(index)) return picture;
    bytes += needed;
    // A view of a larger buffer would keep the whole of it.
    const isView = picture.data.buffer.byteLength > needed;
    kept.set(index, isView ? { ...picture, data: picture.data.slice() } : picture);
    return picture;
  };
  return (index) =>
    kept.get(index) ?? load(samples[index] as Sample).then((picture) => keep(index, picture));
}

/** Augments a picture, writes it into its slot of the batch and gives its window. */
function writer(
  options: TrainingBatchOptions,
  toInput: Fit,
): (
  picture: Image,
  into: Uint8Array,
  slot: number,
  position: number,
  name: string,
) => PictureWindow {
  const { augment, preprocess, size, seed } = options;
  const bytes = size.height * size.width * size.channels;
  const swaps = preprocess.order === "bgr" && size.channels === 3;
  return (source, data, slot, position, name) => {
    const random = createRandom(seed, augmentStream, position);
    const target: PixelTarget = { data, start: slot * bytes, swaps };
    const { picture, window } = place(source, augment, random, name);
    const fits = window.width === size.width && window.height === size.height;
    // The usual case is one copy from the kept picture into the batch.
    if (fits && augment.colorJitter === undefined) {
      copyWindow(picture, window, target);
      return window;
    }
    const cut = cutWindow(picture, window);
    const { colorJitter } = augment;
    const colored = colorJitter === undefined ? cut : jitterColors(cut, colorJitter, random);
    const fitted = toInput(resizedAfter(colored, options), name);
    copyWindow(fitted, wholeWindow(fitted), target);
    return window;
  };
}

function resizedAfter(picture: Image, { augment, preprocess }: TrainingBatchOptions): Image {
  const side = augment.crop === undefined ? undefined : preprocess.resizeAfter;
  return side === undefined ? picture : resize(picture, side, side);
}
