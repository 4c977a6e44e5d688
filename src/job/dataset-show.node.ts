/**
 * `inlay dataset show`: what is in a data set of any kind, and a page with some of its pictures.
 */
import { readAhead } from "../data/batch.ts";
import { type Dataset, labelCounts, type Sample, takeEvenly } from "../data/dataset.ts";
import type { Image } from "../data/image.ts";
import { pixelStatistics } from "../data/pixel-statistics.ts";
import { encodePng } from "../data/png.node.ts";
import { thumbnail } from "../data/thumbnail.ts";
import { InlayError } from "../error.ts";
import type { DatasetShowReport, SampleRow } from "../report/dataset.ts";
import { type DatasetPicture, renderDatasetHtml } from "../report/dataset-page.ts";
import { writeFileAtomic } from "./files.node.ts";
import type { ImageOptions, JobContext } from "./options.ts";
import { openPictures, warningLog } from "./pictures.node.ts";

export type DatasetShowJob = {
  readonly images: ImageOptions;
  /** Decode every picture, not only some. */
  readonly all: boolean;
  /** HTML file to write. */
  readonly report?: string | undefined;
};

/** How many pictures are looked at unless all are. */
const lookedAt = 256;
const firstRows = 8;
const unreadableRows = 10;
const shownPictures = 60;
/** Longer side of a picture on the page, in pixels. */
const shownSide = 128;
/** Pictures in decoding at a time. */
const window = 16;

/** A picture that cannot be read is counted, and does not stop the work. */
export async function datasetShowJob(
  job: DatasetShowJob,
  context: JobContext,
): Promise<DatasetShowReport> {
  const log = warningLog(context);
  const dataset = await openPictures(job.images, context, log.add);
  const report = { ...(await look(dataset, job, context)), warnings: log.all() };
  if (job.report !== undefined) {
    const html = renderDatasetHtml(report, await pagePictures(dataset));
    await writeFileAtomic(job.report, html);
  }
  return report;
}

/** Every picture, or some at equal distances, the first among them. */
function chosen({ samples }: Dataset, all: boolean): readonly Sample[] {
  if (all || samples.length <= lookedAt) return samples;
  const step = samples.length / lookedAt;
  return Array.from(
    { length: lookedAt },
    (_, index) => samples[Math.floor(index * step)] as Sample,
  );
}

async function look(
  dataset: Dataset,
  { images, all }: DatasetShowJob,
  context: JobContext,
): Promise<DatasetShowReport> {
  const samples = chosen(dataset, all);
  const statistics = pixelStatistics();
  const unreadable: { name: string; reason: string }[] = [];
  const next = readAhead(samples, tryLoad, window);
  for (const [index, { name }] of samples.entries()) {
    const found = await next();
    if (found instanceof InlayError) unreadable.push({ name, reason: found.message });
    else statistics.add(found);
    context.onProgress?.({ label: "look", done: index + 1, total: samples.length });
  }
  const moments = statistics.moments();
  return {
    schema: "inlay.dataset-show/1",
    source: images.path,
    samples: dataset.samples.length,
    labelled: dataset.samples.filter(({ label }) => label !== undefined).length,
    classes: dataset.classes ?? null,
    labels: labelCounts(dataset),
    looked: samples.length,
    sizes: statistics.sizes(),
    mean: moments?.mean ?? null,
    std: moments?.std ?? null,
    first: await Promise.all(dataset.samples.slice(0, firstRows).map(rowOf)),
    unreadable: { count: unreadable.length, samples: unreadable.slice(0, unreadableRows) },
    warnings: [],
  };
}

async function tryLoad(sample: Sample): Promise<Image | InlayError> {
  return await sample.load().catch((cause: unknown) => {
    if (cause instanceof InlayError) return cause;
    throw cause;
  });
}

async function rowOf(sample: Sample): Promise<SampleRow> {
  const { name, label = null } = sample;
  const found = await tryLoad(sample);
  if (found instanceof InlayError)
    return { name, label, width: null, height: null, channels: null };
  const { width, height, channels } = found;
  return { name, label, width, height, channels };
}

/** Some pictures, as evenly from the classes as can be. */
async function pagePictures(dataset: Dataset): Promise<readonly DatasetPicture[]> {
  const { samples } = takeEvenly(dataset, shownPictures);
  const pictures: DatasetPicture[] = [];
  for (const sample of samples) {
    const found = await tryLoad(sample);
    if (found instanceof InlayError) continue;
    const small = thumbnail(found, shownSide);
    const { name, label } = sample;
    const caption = label === undefined ? "" : (dataset.classes?.[label] ?? `label ${label}`);
    const png = Buffer.from(encodePng(small)).toString("base64");
    const { width, height } = small;
    pictures.push({ name, caption, width, height, url: `data:image/png;base64,${png}` });
  }
  return pictures;
}
