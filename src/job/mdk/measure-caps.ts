/**
 * Calibration as the MDK has it: of each watched value the one at position `int(n p)` of all n values, sorted, over all
 * pictures. Exact: every value counts, twice if need be.
 */
import { batches } from "../../data/batch.ts";
import type { Dataset } from "../../data/dataset.ts";
import type { Preprocess } from "../../data/preprocess.ts";
import type { Runtime, Values } from "../../engine/runtime.ts";
import { workError } from "../../error.ts";
import type { Graph } from "../../ir/graph.ts";
import type { OnProgress, OnWarning } from "../../notice.ts";
import { batchSize } from "../../run/classify.ts";
import { pictureSize, withPictureInput } from "../../run/prepare.ts";
import { openSession } from "../../run/session.ts";
import {
  type BitCounts,
  binAt,
  countBits,
  countOf,
  startCounts,
  valueOfKey,
} from "./order-statistic.ts";

export type Percentile = {
  readonly value: number;
  /** How many values were counted. */
  readonly count: number;
};

export type MeasureOptions = {
  /** 0..1. */
  readonly percentile: number;
  /** Values that are kept for a second pass, so that the network need not run again; 2^25 (128 MiB) by default. */
  readonly mostKept?: number | undefined;
  readonly onProgress?: OnProgress | undefined;
  readonly onWarning?: OnWarning | undefined;
};

const defaultMostKept = 2 ** 25;

/**
 * The percentile of each of these values of the graph. The network runs once where all values are kept, else
 * twice. Throws where a value is no finite number.
 */
export async function measurePercentiles(
  graph: Graph,
  ids: readonly string[],
  { dataset, preprocess }: { readonly dataset: Dataset; readonly preprocess: Preprocess },
  runtime: Runtime,
  options: MeasureOptions,
): Promise<ReadonlyMap<string, Percentile>> {
  const session = await openSession(withPictureInput(graph, preprocess), runtime, { taps: ids });
  const [inputId = ""] = session.inputs;
  const reading = { batch: batchSize(graph), readAhead: 2, onWarning: options.onWarning };
  const run = async (label: string, use: (values: Values) => void): Promise<void> => {
    let done = 0;
    for await (const batch of batches(dataset, preprocess, pictureSize(graph), reading)) {
      use(await session.run(new Map([[inputId, batch.images]])));
      done += batch.names.length;
      options.onProgress?.({ label, done, total: dataset.samples.length });
    }
  };
  try {
    const upper = new Map(ids.map((id) => [id, startCounts()]));
    const kept = keeper(options.mostKept ?? defaultMostKept);
    await run("calibrate", (values) => {
      count(upper, values);
      kept.add(values, ids);
    });
    const ranks = new Map([...upper].map(([id, counts]) => [id, rankOf(id, counts, options)]));
    const lower = new Map([...ranks].map(([id, { bin }]) => [id, startCounts(bin)]));
    if (kept.isWhole()) for (const values of kept.all()) count(lower, values);
    else await run("calibrate, second pass", (values) => count(lower, values));
    return new Map([...ranks].map(([id, rank]) => [id, found(rank, lower.get(id))]));
  } finally {
    await session.release();
  }
}

/** Adds the values to their counts, which change. */
function count(counts: ReadonlyMap<string, BitCounts>, values: Values): void {
  for (const [id, bits] of counts) {
    const value = values.get(id);
    if (value?.dtype === "float32") countBits(bits, value.data);
  }
}

/** Keeps the watched values of all batches, until they become too many. */
function keeper(mostKept: number): {
  readonly add: (values: Values, ids: readonly string[]) => void;
  readonly isWhole: () => boolean;
  readonly all: () => readonly Values[];
} {
  const batchesOf: Values[] = [];
  let size = 0;
  return {
    add: (values, ids) => {
      for (const id of ids) size += values.get(id)?.data.length ?? 0;
      if (size > mostKept) batchesOf.length = 0;
      else batchesOf.push(new Map([...values].filter(([id]) => ids.includes(id))));
    },
    isWhole: () => size <= mostKept,
    all: () => batchesOf,
  };
}

type Rank = { readonly bin: number; readonly rank: number; readonly count: number };

function rankOf(id: string, counts: BitCounts, { percentile }: MeasureOptions): Rank {
  const { all, odd } = countOf(counts);
  if (all === 0 || odd > 0) {
    throw workError("the values of a layer are not finite numbers", {
      node: `layer "${id}"`,
      got: `${odd} of ${all}`,
      hint: "Check the weights, and the mean and scale of the data layer",
    });
  }
  const place = Math.min(Math.trunc(all * percentile), all - 1);
  return { ...binAt(counts, place), count: all };
}

function found({ bin, rank, count: all }: Rank, lower: BitCounts | undefined): Percentile {
  if (lower === undefined || countOf(lower).all === 0) {
    throw workError("the second run of the network gave other values than the first");
  }
  return { value: valueOfKey(bin, binAt(lower, rank).bin), count: all };
}
