/**
 * A data set: named samples that load their picture when asked. Where they come from (lists, folders,
 * IDX, CIFAR, LMDB) is `open.node.ts`'s matter; nothing here reads files.
 */
import { inputError } from "../error.ts";
import type { Image } from "./image.ts";

export type Sample = {
  /** The file as the list names it, or `source#index`. */
  readonly name: string;
  /** Class index from 0; undefined where the source gives none. */
  readonly label: number | undefined;
  /** Decodes the picture anew at every call; nothing is kept. */
  readonly load: () => Promise<Image>;
};

export type Dataset = {
  /** The path as the user gave it. */
  readonly source: string;
  readonly samples: readonly Sample[];
  /** Class names by label, where known. */
  readonly classes?: readonly string[];
};

/** The first `limit` samples. */
export function take(dataset: Dataset, limit: number): Dataset {
  return { ...dataset, samples: dataset.samples.slice(0, limit) };
}

/**
 * `limit` samples in their order, as evenly from the classes as their sizes allow: the first of each class, then the second of
 * each, and so on.
 */
export function takeEvenly(dataset: Dataset, limit: number): Dataset {
  const seen = new Map<number | undefined, number>();
  const ranked = dataset.samples.map((sample, index) => {
    const rank = seen.get(sample.label) ?? 0;
    seen.set(sample.label, rank + 1);
    return { sample, index, rank };
  });
  const chosen = ranked.toSorted((a, b) => a.rank - b.rank || a.index - b.index).slice(0, limit);
  const samples = chosen.sort((a, b) => a.index - b.index).map(({ sample }) => sample);
  return { ...dataset, samples };
}

/** How many different labels occur. */
export function labelCount(dataset: Dataset): number {
  return new Set(dataset.samples.map(({ label }) => label)).size;
}

/** Throws unless every label has a name in `classes`; a data set without names passes. */
export function checkLabels(dataset: Dataset): Dataset {
  const { classes } = dataset;
  if (classes === undefined) return dataset;
  const bad = dataset.samples.find(
    ({ label }) => label !== undefined && (label < 0 || label >= classes.length),
  );
  if (bad !== undefined) {
    throw inputError("a label has no class name", {
      where: `${dataset.source}: ${bad.name}`,
      expected: `0..${classes.length - 1}`,
      got: `${bad.label}`,
      hint: "Labels count from 0; give the list of names that belongs to this data.",
    });
  }
  return dataset;
}
