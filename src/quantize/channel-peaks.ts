/**
 * The largest value of each channel, picture by picture: what channel equalization wants to know. Reduced inside the
 * graph; memory grows with channels times pictures.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import { freshId, type Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { OnProgress, OnWarning } from "../notice.ts";
import { batchSize } from "../run/classify.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";

export type PeakOptions = {
  /** The share of pictures that the usual peak covers, 0..1. */
  readonly share: number;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

/** Per channel: the peak that all but a share of the pictures stay below, and the peak of all. */
export type Peaks = { readonly usual: Float64Array; readonly most: Float64Array };

/** Peaks of the values [n, c, h, w] with these ids, over all pictures of the data set. */
export async function channelPeaks(
  graph: Graph,
  ids: readonly string[],
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  options: PeakOptions,
): Promise<ReadonlyMap<string, Peaks>> {
  const taps = tapped(withPictureInput(graph, preprocess), ids);
  const seen = new Map<string, Float32Array[]>(ids.map((id) => [id, []]));
  const session = await openSession(taps.graph, runtime);
  let done = 0;
  try {
    const [inputId = ""] = session.inputs;
    const reading = { batch: batchSize(graph), readAhead: 2, onWarning: options.onWarning };
    for await (const batch of batches(dataset, preprocess, pictureSize(graph), reading)) {
      const values = await session.run(new Map([[inputId, batch.images]]));
      for (const id of ids) {
        const peaks = values.get(taps.tapOf.get(id) ?? "");
        if (peaks?.dtype !== "float32") throw workError("a peak was not computed", { node: id });
        const channels = peaks.data.length / batch.names.length;
        for (let at = 0; at < peaks.data.length; at += channels) {
          seen.get(id)?.push(peaks.data.slice(at, at + channels));
        }
      }
      done += batch.names.length;
      options.onProgress?.({ label: "channel peaks", done, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return new Map(ids.map((id) => [id, peaksOf(seen.get(id) ?? [], options.share)]));
}

function tapped(
  graph: Graph,
  ids: readonly string[],
): { readonly graph: Graph; readonly tapOf: ReadonlyMap<string, string> } {
  const taken = new Set(graph.nodes.map(({ id }) => id));
  const tapOf = new Map<string, string>();
  const taps = ids.map((id): Node => {
    const tap = freshId(`${id}.peak`, taken);
    taken.add(tap);
    tapOf.set(id, tap);
    return { op: "globalMaxPool", id: tap, inputs: [id], attrs: {} };
  });
  const outputs = taps.map(({ id }) => ({ name: id, id }));
  return { graph: { ...graph, nodes: [...graph.nodes, ...taps], outputs }, tapOf };
}

function peaksOf(pictures: readonly Float32Array[], share: number): Peaks {
  const channels = pictures[0]?.length ?? 0;
  const [usual, most] = [new Float64Array(channels), new Float64Array(channels)];
  const place = Math.min(pictures.length - 1, Math.floor(share * pictures.length));
  for (let channel = 0; channel < channels; channel += 1) {
    const sorted = Float32Array.from(pictures, (peaks) => peaks[channel] ?? 0).sort();
    usual[channel] = sorted[place] ?? 0;
    most[channel] = sorted.at(-1) ?? 0;
  }
  return { usual, most };
}
