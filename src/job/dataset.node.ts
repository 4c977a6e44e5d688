/**
 * `inlay dataset lmdb`: a data set as a database that Caffe's Data layer reads, and its mean picture; convert_imageset and
 * compute_image_mean in one.
 */
import { basename, dirname, join } from "node:path";
import { readAhead } from "../data/batch.ts";
import { type Dataset, labelCounts, requireLabels, type Sample } from "../data/dataset.ts";
import { encodedDatum, isCaffePicture, rawDatum } from "../data/datum-write.ts";
import { resizedSize } from "../data/geometry.ts";
import { checkPixels, type Image, toColor, toGray } from "../data/image.ts";
import { type LmdbEntry, lmdbPieces, maxKeyBytes } from "../data/lmdb-write.ts";
import { type MeanSum, meanSum } from "../data/mean-sum.ts";
import { encodePng } from "../data/png.node.ts";
import type { Resize } from "../data/preprocess.ts";
import { resize } from "../data/resize.ts";
import { inputError } from "../error.ts";
import type { DatasetLmdbReport } from "../report/dataset.ts";
import { createRandom, shuffle } from "../tensor/random.ts";
import { databaseName, writeDatabase } from "./dataset-files.node.ts";
import { isFile } from "./files.node.ts";
import type { ImageOptions, JobContext } from "./options.ts";
import { openPictures, warningLog } from "./pictures.node.ts";
import { refuseExisting } from "./write-outputs.node.ts";

export type DatasetLmdbJob = {
  readonly images: ImageOptions;
  /** The folder, made if need be. */
  readonly out: string;
  readonly resize?: Resize | undefined;
  /** Records in an order drawn by the seed. */
  readonly shuffle: boolean;
  /** Pixels, or picture files: those of the source where they fit, else PNG. */
  readonly encoding: "raw" | "encoded";
  /** One channel. Otherwise files give three, and sources of pixels what they have. */
  readonly gray: boolean;
  /** File of the mean picture; `out/mean.binaryproto` by default. */
  readonly mean?: string | undefined;
  /** Write over existing files. */
  readonly force: boolean;
};

/** Pictures in decoding at a time. */
const window = 16;

/** Writes the database. All samples need a label, and all pictures one size. */
export async function datasetLmdbJob(
  job: DatasetLmdbJob,
  context: JobContext,
): Promise<DatasetLmdbReport> {
  const log = warningLog(context);
  const meanFile = job.mean ?? join(job.out, "mean.binaryproto");
  if (!job.force) {
    await refuseExisting(job.out, [databaseName]);
    await refuseExisting(dirname(meanFile), [basename(meanFile)]);
  }
  const dataset = requireLabels(await openPictures(job.images, context, log.add));
  const packing = await startPacking(ordered(dataset, job, context.seed), job, context);
  const entries = packing.entries();
  const bytes = await writeDatabase(job.out, lmdbPieces(entries), [
    { path: meanFile, bytes: packing.mean.file },
  ]);
  return {
    schema: "inlay.dataset-lmdb/1",
    source: job.images.path,
    out: job.out,
    files: [join(job.out, databaseName), meanFile],
    records: dataset.samples.length,
    ...packing.size,
    encoding: job.encoding,
    kept: packing.kept(),
    shuffleSeed: job.shuffle ? context.seed : null,
    labels: labelCounts(dataset),
    bytes,
    mean: packing.mean.perChannel(),
    warnings: log.all(),
  };
}

function ordered(dataset: Dataset, job: DatasetLmdbJob, seed: number): Dataset {
  if (!job.shuffle) return dataset;
  return { ...dataset, samples: shuffle(dataset.samples, createRandom(seed)) };
}

type Packing = {
  /** Records in key order; each picture is added to the mean on its way. */
  readonly entries: () => AsyncGenerator<LmdbEntry>;
  readonly size: Omit<Image, "data">;
  readonly mean: MeanSum;
  /** How many records hold their source's file so far. */
  readonly kept: () => number;
};

/** A picture with what its record will hold. */
type Packed = { readonly picture: Image; readonly file: Uint8Array | undefined };

/** Looks at the first picture: its size is that of all. */
async function startPacking(
  dataset: Dataset,
  job: DatasetLmdbJob,
  context: JobContext,
): Promise<Packing> {
  const { samples, source } = dataset;
  const first = samples[0] as Sample;
  const channels = await wantedChannels(first, job);
  const load = (sample: Sample): Promise<Packed> => pack(sample, channels, job);
  const { data: _, ...size } = (await load(first)).picture;
  const mean = meanSum(size);
  const bareName = await nameRule(job.images.path);
  let kept = 0;
  async function* entries(): AsyncGenerator<LmdbEntry> {
    const next = readAhead(samples, load, window);
    for (const [index, sample] of samples.entries()) {
      const { picture, file } = await next();
      checkSize(picture, sample, size, first, source);
      mean.add(picture);
      if (file !== undefined) kept += 1;
      const key = recordKey(index, bareName(sample.name));
      yield { key, value: datumOf(job, picture, file, sample) };
      context.onProgress?.({ label: "write", done: index + 1, total: samples.length });
    }
  }
  return { entries, size, mean, kept: () => kept };
}

/** Picture files are colour unless gray is asked for, as convert_imageset has it; pixels stay what they are. */
async function wantedChannels(first: Sample, { gray }: DatasetLmdbJob): Promise<1 | 3> {
  if (gray) return 1;
  const file = await first.encoded?.();
  return file === undefined ? (await first.load()).channels : 3;
}

async function pack(sample: Sample, channels: 1 | 3, job: DatasetLmdbJob): Promise<Packed> {
  const loaded = await sample.load();
  const colored = channels === 1 ? toGray(loaded) : toColor(loaded);
  const picture = job.resize === undefined ? colored : resized(colored, job.resize, sample.name);
  const mayKeep = job.encoding === "encoded" && picture === colored;
  const file = mayKeep ? await sample.encoded?.() : undefined;
  const fits = file !== undefined && isCaffePicture(file, channels, sample.name);
  return { picture, file: fits ? file : undefined };
}

function resized(picture: Image, asked: Resize, name: string): Image {
  const { width, height } = resizedSize(picture, asked);
  checkPixels(width, height, `${name} (${picture.width}x${picture.height}) resized`);
  return resize(picture, width, height);
}

function checkSize(
  { width, height }: Image,
  { name }: Sample,
  size: Packing["size"],
  first: Sample,
  source: string,
): void {
  if (width === size.width && height === size.height) return;
  throw inputError("the pictures differ in size", {
    where: source,
    expected: `${size.width}x${size.height} as "${first.name}" has`,
    got: `${width}x${height} of "${name}"`,
    hint: `Give all of them one size: --resize ${size.width}x${size.height}`,
  });
}

/** A database's keys are numbered already: its records get new numbers instead of further ones. */
async function nameRule(path: string): Promise<(name: string) => string> {
  const isDatabase = path.endsWith(".mdb") || (await isFile(join(path, databaseName)));
  return isDatabase ? (name) => name.replace(/^\d{8}_(?=.)/, "") : (name) => name;
}

/** As convert_imageset: eight digits and the name, cut where LMDB takes no longer key. */
function recordKey(index: number, name: string): Uint8Array {
  const text = `${String(index).padStart(8, "0")}_${name}`;
  return new TextEncoder().encode(text).subarray(0, maxKeyBytes);
}

function datumOf(
  { encoding }: DatasetLmdbJob,
  picture: Image,
  file: Uint8Array | undefined,
  { label = 0 }: Sample,
): Uint8Array {
  if (encoding === "raw") return rawDatum(picture, label);
  return encodedDatum(file ?? encodePng(picture), label);
}
