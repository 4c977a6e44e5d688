/**
 * Calibration: runs the float network over pictures and keeps, per value, statistics of fixed size.
 * Memory does not depend on the number of pictures.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime, Values } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { batchSize } from "../run/classify.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import { derivedStatistics, derivedValues } from "./derived-values.ts";
import { observe, type Sampling, type Slice, type Taps, type Wanted } from "./observe.ts";
import type { RangeMethod } from "./observers/choose-range.ts";
import { type Extremes, mergeExtremes, noExtremes, observeExtremes } from "./observers/extremes.ts";
import { HistogramCounter } from "./observers/histogram.ts";
import {
  type MovingAverage,
  observeBatch,
  startMovingAverage,
} from "./observers/moving-average.ts";
import type { Statistics } from "./observers/statistics.ts";

/** What calibration keeps of one value. */
export type Observed = {
  readonly statistics: Statistics;
  /** Sum over pictures of the mean per channel (per feature for rank 2). */
  readonly meanSums: Float64Array | undefined;
};

export type Calibration = {
  readonly samples: number;
  readonly values: ReadonlyMap<string, Observed>;
  /** Wall time of the whole loop over the number of pictures, decoding included. */
  readonly secondsPerImage: number;
};

export type CalibrateOptions = {
  readonly method: RangeMethod;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
  /** Histograms of every pixel instead of a sample: slower, for comparison. */
  readonly everyPixel?: boolean | undefined;
};

/**
 * What each method's histogram counts. A percentile is a matter of the tail alone, the squared error
 * mostly; the divergence of entropy weighs all bins, and a coarse sample keeps it fast.
 */
const samplings: Readonly<Record<RangeMethod, Sampling | undefined>> = {
  minmax: undefined,
  movingAverage: undefined,
  percentile: "everything",
  entropy: "coarse",
  mse: "tails",
};

/** Observes `wanted` values of a float graph over all pictures of the data set. */
export async function calibrate(
  graph: Graph,
  wanted: ReadonlyMap<string, Wanted>,
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  options: CalibrateOptions,
): Promise<Calibration> {
  // An average over batches cannot be merged: it is observed of every value.
  const derived = derivedValues(graph, options.method === "movingAverage" ? new Map() : wanted);
  const observed = new Map([...wanted].filter(([id]) => !derived.has(id)));
  const observation = observe(withPictureInput(graph, preprocess), observed, {
    histogram: options.everyPixel === true ? "everything" : samplings[options.method],
  });
  const observers = [...observation.taps].map(([id, taps]) =>
    startObserver(id, taps, options.method),
  );
  const session = await openSession(observation.graph, runtime);
  let samples = 0;
  const started = performance.now();
  try {
    const [inputId = ""] = session.inputs;
    const reading = { batch: batchSize(graph), readAhead: 2, onWarning: options.onWarning };
    for await (const batch of batches(dataset, preprocess, pictureSize(graph), reading)) {
      const values = await session.run(new Map([[inputId, batch.images]]));
      for (const observer of observers) observeTaps(observer, values);
      samples += batch.names.length;
      options.onProgress?.({ label: "calibrate", done: samples, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  if (samples === 0) throw workError("there is no picture to calibrate with");
  const seconds = (performance.now() - started) / 1000;
  const values = new Map(observers.map((observer) => [observer.id, observedBy(observer)]));
  for (const [id, inputs] of derived) {
    const statistics = derivedStatistics(inputs, values);
    if (statistics !== undefined) values.set(id, { statistics, meanSums: undefined });
  }
  return { samples, values, secondsPerImage: seconds / samples };
}

/** What is known of one value so far; batches are added in place. */
type Observer = {
  readonly id: string;
  readonly taps: Taps;
  readonly histogram: HistogramCounter | undefined;
  extremes: Extremes;
  average: MovingAverage | undefined;
  meanSums: Float64Array | undefined;
};

function startObserver(id: string, taps: Taps, method: RangeMethod): Observer {
  return {
    id,
    taps,
    histogram: samplings[method] !== undefined ? new HistogramCounter() : undefined,
    extremes: noExtremes,
    average: method === "movingAverage" ? startMovingAverage() : undefined,
    meanSums: undefined,
  };
}

function observedBy({ histogram, extremes, average, meanSums }: Observer): Observed {
  const statistics: Statistics = {
    extremes,
    ...(histogram && { histogram: histogram.histogram() }),
    ...(average && { average }),
  };
  return { statistics, meanSums };
}

/** A tapped value of a batch: one array [channels, ...] per picture. */
type Pictures = { readonly data: readonly Float32Array[]; readonly channels: number };

/** Adds one batch. */
function observeTaps(observer: Observer, values: Values): void {
  const { taps } = observer;
  const whole = wholeValue(taps.whole, values);
  const sample = whole ?? sliceOf(taps.sample, values);
  const batch = whole ? extremesOf(whole) : reducedExtremes(observer, sample, values);
  observer.extremes = mergeExtremes(observer.extremes, batch);
  for (const picture of sample?.data ?? []) observer.histogram?.add(picture);
  if (observer.average) observer.average = observeBatch(observer.average, batch);
  observer.meanSums = addMeans(observer.meanSums, whole ?? sliceOf(taps.mean, values));
}

function wholeValue(id: string | undefined, values: Values): Pictures | undefined {
  const value = id === undefined ? undefined : values.get(id);
  if (value?.dtype !== "float32") return undefined;
  const [images = 1, channels = 1] = value.shape;
  return { data: cut(value.data, images, 0, 1), channels };
}

function sliceOf(slice: Slice | undefined, values: Values): Pictures | undefined {
  const value = slice === undefined ? undefined : values.get(slice.id);
  if (slice === undefined || value?.dtype !== "float32") return undefined;
  const [images = 1, all = 1] = value.shape;
  const { from, channels } = slice;
  return { data: cut(value.data, images, from / all, (from + channels) / all), channels };
}

/** The part `from..to`, in shares of a picture's values, of each picture. */
function cut(data: Float32Array, images: number, from: number, to: number): Float32Array[] {
  const size = images === 0 ? 0 : data.length / images;
  return Array.from({ length: images }, (_, image) =>
    data.subarray(Math.round((image + from) * size), Math.round((image + to) * size)),
  );
}

const extremesOf = ({ data }: Pictures): Extremes => data.reduce(observeExtremes, noExtremes);

/**
 * Extremes of a batch from its reductions. A value whose operator gives nothing below 0 has no tap
 * for its minimum: the sample tells it, or 0, its bound.
 */
function reducedExtremes(
  { taps, extremes }: Observer,
  sample: Pictures | undefined,
  values: Values,
): Extremes {
  const max = sliceOf(taps.max, values);
  if (max === undefined) return noExtremes;
  const above = extremesOf(max);
  const negatedMin = sliceOf(taps.negatedMin, values);
  if (negatedMin !== undefined) {
    const below = extremesOf(negatedMin);
    return { ...mergeExtremes(above, below), min: -below.max + 0, max: above.max };
  }
  const reached = sample === undefined || extremes.min <= 0;
  const smallest = reached ? 0 : extremesOf(sample).min;
  return { ...above, min: Math.max(0, Math.min(smallest, above.max)) };
}

/** Adds the mean over all but batch and channel, per picture, to the sums, which it returns. */
function addMeans(
  before: Float64Array | undefined,
  value: Pictures | undefined,
): Float64Array | undefined {
  if (value === undefined) return before;
  const { data, channels } = value;
  const sums = before ?? new Float64Array(channels);
  for (const picture of data) {
    const inner = picture.length / channels;
    for (let channel = 0; channel < channels; channel += 1) {
      let sum = 0;
      for (let at = channel * inner; at < (channel + 1) * inner; at += 1) sum += picture[at]!;
      sums[channel]! += sum / inner;
    }
  }
  return sums;
}

/** Mean per channel over all pictures; undefined where it was not observed. */
export function channelMeans(observed: Observed, samples: number): Float64Array | undefined {
  return observed.meanSums?.map((sum) => sum / samples);
}
