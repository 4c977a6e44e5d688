/**
 * The few pictures that a chip's quantization walks through again and again.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import { workError } from "../error.ts";
import type { Graph } from "../ir/graph.ts";
import { pictureSize } from "../run/prepare.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** At most `count` samples, evenly over the whole data set: lists are often sorted by class. */
export function someOf(dataset: Dataset, count: number): Dataset {
  const { samples } = dataset;
  const total = Math.min(samples.length, count);
  const chosen = Array.from(
    { length: total },
    (_, at) => samples[Math.floor((at * samples.length) / total)],
  );
  return { ...dataset, samples: chosen.filter((sample) => sample !== undefined) };
}

/** The pixels of each picture as planes, uint8 [1, c, h, w] in the network's channel order: what a chip reads. */
export async function picturePlanes(
  graph: Graph,
  dataset: Dataset,
  preprocess: Preprocess,
): Promise<readonly Tensor<"uint8">[]> {
  const size = pictureSize(graph);
  const found: Tensor<"uint8">[] = [];
  for await (const { images } of batches(dataset, preprocess, size, { batch: 1, readAhead: 1 })) {
    found.push(planesOf(images));
  }
  if (found.length === 0) throw workError("there is no picture to calibrate with");
  return found;
}

/** Picture bytes [1, h, w, c] as planes [1, c, h, w]. */
function planesOf({ data, shape }: Tensor<"uint8">): Tensor<"uint8"> {
  const [, height = 1, width = 1, channels = 1] = shape;
  const area = height * width;
  const planes = new Uint8Array(data.length);
  for (let channel = 0; channel < channels; channel += 1) {
    for (let at = 0; at < area; at += 1) {
      planes[channel * area + at] = data[at * channels + channel] ?? 0;
    }
  }
  return { dtype: "uint8", shape: [1, channels, height, width], data: planes };
}
