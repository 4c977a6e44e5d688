/**
 * The few pictures that preprocessing is checked on: chosen, read, and looked at for being pictures at all.
 */
import { batches } from "../data/batch.ts";
import type { Dataset, Sample } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import type { Graph } from "../ir/graph.ts";
import type { Warning } from "../notice.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { batchSize } from "./classify.ts";
import { pictureSize } from "./prepare.ts";
import type { PictureBytes } from "./preprocess-statistics.ts";

/** A network as its file has it, with batch norms, and in the form that is run. */
export type CheckedNetwork = { readonly imported: Graph; readonly float: Graph };

/** Pictures of the first look, and of both looks where the first leaves a doubt: small ones cost little. */
const looks = { small: [64, 256], large: [16, 64] } as const;
const largePixels = 128 * 128;
/** Bytes that the pictures may take. */
const pictureBudget = 2 ** 26;

/** All that the single checks look at. */
export type Scene = {
  readonly network: CheckedNetwork;
  readonly pictures: PictureBytes;
  readonly preprocess: Preprocess;
  readonly channels: 1 | 3;
  readonly runtime: Runtime;
  /** The data set's name. */
  readonly source: string;
};

export type Found = Warning | undefined;

/** Samples of the first look and the further ones of the second, each evenly from the whole set. */
export function chooseSamples(
  graph: Graph,
  { samples }: Dataset,
): readonly [first: readonly Sample[], second: readonly Sample[]] {
  const { height, width, channels } = pictureSize(graph);
  const [few, many] = height * width > largePixels ? looks.large : looks.small;
  const room = Math.max(1, Math.floor(pictureBudget / (height * width * channels)));
  const total = Math.min(samples.length, many, room);
  const chosen = Array.from(
    { length: total },
    (_, at) => samples[Math.floor((at * samples.length) / total)],
  ).filter((sample) => sample !== undefined);
  const step = Math.max(1, total / few);
  const early = new Set(
    Array.from({ length: Math.min(few, total) }, (_, at) => chosen[Math.floor(at * step)]),
  );
  return [
    chosen.filter((sample) => early.has(sample)),
    chosen.filter((sample) => !early.has(sample)),
  ];
}

export async function readPictures(
  graph: Graph,
  dataset: Dataset,
  samples: readonly Sample[],
  preprocess: Preprocess,
): Promise<PictureBytes> {
  const pictures: Tensor<"uint8">[] = [];
  const some = { ...dataset, samples };
  const reading = { batch: batchSize(graph), readAhead: 1 };
  for await (const { images } of batches(some, preprocess, pictureSize(graph), reading)) {
    pictures.push(images);
  }
  return pictures;
}

/** `pictures-same` where every picture is of one colour, or all are equal. */
export function samePictures({ pictures, channels, source }: Scene): Found {
  const single = pictures.flatMap(({ data, shape }) => {
    const size = data.length / (shape[0] ?? 1);
    return Array.from({ length: shape[0] ?? 0 }, (_, at) =>
      data.subarray(at * size, (at + 1) * size),
    );
  });
  const [first] = single;
  const isFlat = (picture: Uint8Array): boolean =>
    picture.every((value, at) => value === picture[at % channels]);
  const message =
    first === undefined
      ? undefined
      : single.every(isFlat)
        ? "every picture is of one colour: are these the pictures you meant?"
        : single.length > 1 && single.every((picture) => picture.every((v, at) => v === first[at]))
          ? "all pictures are the same: are these the pictures you meant?"
          : undefined;
  return message === undefined ? undefined : { id: "pictures-same", message, where: source };
}
