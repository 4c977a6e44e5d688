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
  /** The picture's file, where it has one: undefined for pixels. */
  readonly encoded?: () => Promise<Uint8Array | undefined>;
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

/** How often each label occurs, by label; samples without one come last. */
export function labelCounts({ samples, classes }: Dataset): LabelCount[] {
  const counts = new Map<number | undefined, number>();
  for (const { label } of samples) counts.set(label, (counts.get(label) ?? 0) + 1);
  const rank = (label: number | null): number => label ?? Number.POSITIVE_INFINITY;
  return Array.from(counts, ([label, count]) => ({
    label: label ?? null,
    name: label === undefined ? null : (classes?.[label] ?? null),
    count,
  })).sort((a, b) => rank(a.label) - rank(b.label));
}

export type LabelCount = {
  readonly label: number | null;
  readonly name: string | null;
  readonly count: number;
};

/** Throws unless every sample has a label. */
export function requireLabels(dataset: Dataset): Dataset {
  const bare = dataset.samples.filter(({ label }) => label === undefined);
  const [first] = bare;
  if (first === undefined) return dataset;
  throw inputError("samples have no label", {
    where: dataset.source,
    expected: `a label for each of ${dataset.samples.length}`,
    got: `${bare.length} without, first ${first.name}`,
    hint: "Write a label behind every name of the list, or give a folder of class folders.",
  });
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
