/**
 * Seeded, stratified splits of a data set: each class is divided in the same proportion.
 */
import { usageError } from "../error.ts";
import { createRandom, shuffle } from "../tensor/random.ts";
import type { Dataset, Sample } from "./dataset.ts";

export type Split = {
  /** Share of the first part, in (0, 1). */
  readonly fraction: number;
  readonly part: "first" | "second";
};

/**
 * One side of the split. Of every class with n samples, round(n * fraction) (half up) drawn by `seed`
 * belong to the first part and the others to the second, so that the two are disjoint and together the
 * whole. Samples keep their order; those without a label count as one class. A class's draw depends
 * on the seed, its label and its size alone.
 */
export function splitDataset(dataset: Dataset, split: Split, seed: number): Dataset {
  if (!(split.fraction > 0 && split.fraction < 1)) {
    throw usageError("--split must lie between 0 and 1", { got: `${split.fraction}` });
  }
  const first = new Set<number>();
  for (const [label, members] of byLabel(dataset.samples)) {
    const drawn = shuffle(members, createRandom(seed, label ?? -1));
    const count = Math.floor(members.length * split.fraction + 0.5);
    for (const index of drawn.slice(0, count)) first.add(index);
  }
  const wanted = split.part === "first";
  return { ...dataset, samples: dataset.samples.filter((_, index) => first.has(index) === wanted) };
}

/** Sample indices by label, in order. */
function byLabel(samples: readonly Sample[]): Map<number | undefined, number[]> {
  const groups = new Map<number | undefined, number[]>();
  for (const [index, { label }] of samples.entries()) {
    const group = groups.get(label);
    if (group === undefined) groups.set(label, [index]);
    else group.push(index);
  }
  return groups;
}
