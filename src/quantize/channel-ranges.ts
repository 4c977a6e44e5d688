/**
 * The range of each channel that few levels show best. A channel's largest value is rare: where its levels end below it,
 * the many values beneath are rounded less, and the sum of the squared errors falls.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import { createRandom, type Random } from "../tensor/random.ts";
import { asNchw } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";

export type ChannelRangeOptions = {
  /** Steps between 0 and the end of the range: 31 for 5 bits. */
  readonly steps: number;
  readonly seed: number;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/** Pixels of a map that are looked at, per picture. */
const pixelsPerPicture = 256;
const bins = 512;
/** Ends that are tried: 32 / 32 of the peak, 31 / 32, ... down to a quarter. */
const [ends, fewest] = [32, 8];

/**
 * Per channel of the values [n, c, h, w] with these ids the end of the best range: at most the peak that is given, at
 * least a quarter of it. Values at or below 0 count nothing.
 */
export async function channelRanges(
  graph: Graph,
  peaks: ReadonlyMap<string, Float64Array>,
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  { steps, seed, onProgress, onWarning }: ChannelRangeOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  const outputs = [...peaks.keys()].map((id) => ({ name: id, id }));
  const session = await openSession({ ...withPictureInput(graph, preprocess), outputs }, runtime);
  const counts = new Map(
    [...peaks].map(([id, peak]) => [id, new Uint32Array(peak.length * bins)] as const),
  );
  const random = createRandom(seed, 12);
  let done = 0;
  try {
    const [inputId = ""] = session.inputs;
    const reading = { batch: 1, readAhead: 2, onWarning };
    for await (const { images } of batches(dataset, preprocess, pictureSize(graph), reading)) {
      const values = await session.run(new Map([[inputId, images]]));
      for (const [id, peak] of peaks) count(values.get(id), peak, counts.get(id), random);
      done += 1;
      onProgress?.({ label: "channel ranges", done, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return new Map(
    [...peaks].map(([id, peak]) => {
      const histograms = counts.get(id) ?? new Uint32Array();
      const best = peak.map((end, channel) => {
        const histogram = histograms.subarray(channel * bins, (channel + 1) * bins);
        return end * bestEnd(histogram, steps);
      });
      return [id, best];
    }),
  );
}

/** Adds the values at random pixels to the histograms `[channels, bins]` of 0..peak. */
function count(
  value: Tensor | undefined,
  peaks: Float64Array,
  histograms: Uint32Array | undefined,
  random: Random,
): void {
  if (value?.dtype !== "float32" || histograms === undefined) {
    throw workError("an activation was not computed");
  }
  const [, channels, height, width] = asNchw(value.shape);
  const area = height * width;
  const pixels = Int32Array.from({ length: Math.min(area, pixelsPerPicture) }, (_, at) =>
    area <= pixelsPerPicture ? at : random.below(area),
  );
  for (let channel = 0; channel < channels; channel += 1) {
    const scale = bins / Math.max(peaks[channel] ?? 0, Number.MIN_VALUE);
    for (const pixel of pixels) {
      const x = value.data[channel * area + pixel] ?? 0;
      if (!(x > 0)) continue;
      const at = channel * bins + Math.min(bins - 1, Math.floor(x * scale));
      histograms[at] = (histograms[at] ?? 0) + 1;
    }
  }
}

/**
 * Where a range of `steps` equal steps from 0 ends best, as a share of what the histogram spans: by the squared error of
 * the values, each at the middle of its bin, rounded and limited. 1 where nothing was counted.
 */
export function bestEnd(histogram: ArrayLike<number>, steps: number): number {
  let [best, least] = [ends, Number.POSITIVE_INFINITY];
  for (let end = ends; end >= fewest; end -= 1) {
    const error = squaredError(histogram, steps, end / ends);
    if (error < least) [best, least] = [end, error];
  }
  return best / ends;
}

function squaredError(histogram: ArrayLike<number>, steps: number, end: number): number {
  const step = end / steps;
  let sum = 0;
  for (let bin = 0; bin < histogram.length; bin += 1) {
    const times = histogram[bin] ?? 0;
    if (times === 0) continue;
    const x = (bin + 0.5) / histogram.length;
    const level = Math.min(steps, Math.floor(x / step + 0.5));
    sum += times * (x - level * step) ** 2;
  }
  return sum;
}
