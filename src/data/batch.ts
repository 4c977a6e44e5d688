/**
 * Batches of pictures for a network, decoded ahead of the inference that consumes them. Pixels stay
 * uint8; the mean and the scale belong to the graph.
 */
import { usageError } from "../error.ts";
import type { OnWarning } from "../notice.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import type { Dataset, Sample } from "./dataset.ts";
import { applyGeometry } from "./geometry.ts";
import type { Image } from "./image.ts";
import { checkPreprocess, type Preprocess, pictureChannels } from "./preprocess.ts";
import { resize } from "./resize.ts";

export type Batch = {
  /** `[n, h, w, c]`, channels in `preprocess.order`; the last batch may be smaller. */
  readonly images: Tensor<"uint8">;
  readonly labels: readonly (number | undefined)[];
  readonly names: readonly string[];
};

/** The network's input in pixels. */
export type InputSize = {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
};

export type BatchOptions = {
  /** Samples per batch, at least 1. */
  readonly batch: number;
  /** How many further batches may be decoded while one is in use; 0 decodes on demand. Memory grows with it. */
  readonly readAhead: number;
  /** `size-mismatch`, once, where pictures had to be resized to the input without being asked to. */
  readonly onWarning?: OnWarning | undefined;
};

/**
 * The data set in batches, in order, each sample once. Memory is that of `(readAhead + 1) * batch`
 * pictures of the input's size, however many samples there are. A sample that cannot be read throws here.
 */
export async function* batches(
  dataset: Dataset,
  preprocess: Preprocess,
  target: InputSize,
  options: BatchOptions,
): AsyncGenerator<Batch> {
  checkOptions(options);
  const channels = pictureChannels(preprocess.color, target.channels);
  checkPreprocess(preprocess);
  const toInput = fitter(preprocess, target, options.onWarning);
  const load = async (sample: Sample): Promise<Image> => {
    const source = await sample.load();
    return toInput(applyGeometry(source, preprocess, channels, sample.name), sample.name);
  };
  const loaded = readAhead(dataset.samples, load, options.batch * (options.readAhead + 1));
  for (let start = 0; start < dataset.samples.length; start += options.batch) {
    const samples = dataset.samples.slice(start, start + options.batch);
    const images = packer(samples.length, target, preprocess.order);
    for (let slot = 0; slot < samples.length; slot++) images.put(slot, await loaded());
    yield {
      images: images.tensor,
      labels: samples.map(({ label }) => label),
      names: samples.map(({ name }) => name),
    };
  }
}

function checkOptions({ batch, readAhead }: BatchOptions): void {
  if (!Number.isInteger(batch) || batch < 1) {
    throw usageError("the batch must be a positive integer", { got: `${batch}` });
  }
  if (!Number.isInteger(readAhead) || readAhead < 0) {
    throw usageError("readAhead must be a non-negative integer", { got: `${readAhead}` });
  }
}

/** Calls give the items' results in order, while up to `window` of them are under way. */
export function readAhead<T, R>(
  items: readonly T[],
  start: (item: T) => Promise<R>,
  window: number,
): () => Promise<R> {
  const running: Promise<R>[] = [];
  let started = 0;
  const fill = (): void => {
    for (; started < items.length && running.length < window; started++) {
      const result = start(items[started] as T);
      // The consumer meets the failure when its turn comes; until then it must not count as unhandled.
      result.catch(() => undefined);
      running.push(result);
    }
  };
  fill();
  return async () => {
    const next = running.shift();
    if (next === undefined) throw usageError("no sample is left");
    const result = await next;
    fill();
    return result;
  };
}

/** Resizes what does not have the network's size, and says so the first time. */
export function fitter(
  preprocess: Preprocess,
  target: InputSize,
  onWarning: OnWarning | undefined,
): (picture: Image, name: string) => Image {
  let warned = false;
  return (picture, name) => {
    if (picture.width === target.width && picture.height === target.height) return picture;
    if (!warned) {
      warned = true;
      onWarning?.({
        id: "size-mismatch",
        message: mismatch(picture, preprocess, target),
        where: name,
      });
    }
    return resize(picture, target.width, target.height);
  };
}

function mismatch(picture: Image, preprocess: Preprocess, target: InputSize): string {
  const given = `${picture.width}x${picture.height}`;
  const asked = `${target.width}x${target.height}`;
  const isSquare = target.width === target.height;
  const after =
    preprocess.crop !== undefined && isSquare ? `--resize-after ${target.width}` : undefined;
  const crops =
    preprocess.crop === undefined &&
    isSquare &&
    Math.min(picture.width, picture.height) >= target.width;
  const flag =
    after ?? (crops ? `--crop ${target.width} or --resize ${asked}` : `--resize ${asked}`);
  return `pictures are ${given} after preprocessing and the network's input is ${asked}: resized, which may change the proportions; say ${flag} to choose`;
}

/** Collects pictures in one tensor `[n, h, w, c]`. */
function packer(
  count: number,
  { height, width, channels }: InputSize,
  order: Preprocess["order"],
): { readonly put: (slot: number, picture: Image) => void; readonly tensor: Tensor<"uint8"> } {
  const size = height * width * channels;
  const packed = new Uint8Array(count * size);
  const swaps = order === "bgr" && channels === 3;
  return {
    put: (slot, { data }) => {
      if (swaps) copySwapped(data, packed, slot * size);
      else packed.set(data, slot * size);
    },
    tensor: tensor("uint8", [count, height, width, channels], packed),
  };
}

/** RGB to BGR. */
function copySwapped(from: Uint8Array, to: Uint8Array, start: number): void {
  for (let at = 0; at < from.length; at += 3) {
    to[start + at] = from[at + 2]!;
    to[start + at + 1] = from[at + 1]!;
    to[start + at + 2] = from[at]!;
  }
}
