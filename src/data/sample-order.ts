/**
 * The endless sequence of samples that training goes through: which sample stands at which position, as a function of the seed.
 */
import { createRandom, shuffle } from "../tensor/random.ts";

/** The index of the sample at `position` (from 0) of the endless sequence. */
export type SampleOrder = (position: number) => number;

/** Keeps the streams of order and augmentation apart, which both start from the run's seed. */
const orderStream = 0x6f726472;

/** 0, 1, ..., count - 1, 0, 1, ...: how Caffe reads an LMDB. */
export function sequentialOrder(count: number): SampleOrder {
  return (position) => position % count;
}

/**
 * A new permutation for every epoch of `count` positions, from the seed and the epoch's number. The two used last are kept, because a
 * batch may lie across their border.
 */
export function shuffledOrder(count: number, seed: number): SampleOrder {
  const identity = Array.from({ length: count }, (_, index) => index);
  const kept = new Map<number, readonly number[]>();
  const permutation = (epoch: number): readonly number[] => {
    const known = kept.get(epoch);
    if (known !== undefined) return known;
    const made = shuffle(identity, createRandom(seed, orderStream, epoch));
    const [oldest] = kept.keys();
    if (kept.size === 2 && oldest !== undefined) kept.delete(oldest);
    kept.set(epoch, made);
    return made;
  };
  return (position) => permutation(Math.floor(position / count))[position % count] as number;
}
