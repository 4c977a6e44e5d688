/**
 * Seeded random numbers: xoshiro128** 1.1 (Blackman and Vigna), its state filled by splitmix32. Small,
 * fast, the same on every machine. For sampling, shuffling and initial weights; not for secrets.
 */
import { usageError } from "../error.ts";

/** A stream of numbers; every call moves it on. */
export type Random = {
  /** An integer in 0..2^32-1. */
  readonly uint32: () => number;
  /** A float in [0, 1) with 32 random bits. */
  readonly unit: () => number;
  /** An integer in 0..bound-1 without bias (values past the last full multiple are drawn again); bound in 1..2^32. */
  readonly below: (bound: number) => number;
  /** A sample of the normal distribution with mean 0 and deviation 1 (Box and Muller, the cosine half). */
  readonly normal: () => number;
};

/**
 * A stream that depends on the seeds alone. Further seeds give independent streams of one run:
 * `createRandom(seed, 3)` for the fourth class, say. Seeds are integers; their lower 32 bits count.
 */
export function createRandom(...seeds: readonly number[]): Random {
  let mixed = 0;
  for (const seed of seeds) mixed = splitmix32(mixed ^ checkSeed(seed))();
  const fill = splitmix32(mixed);
  return fromState([fill(), fill(), fill(), fill()]);
}

/** A seed of `createRandom` for a name: FNV-1a over UTF-16 units. */
export function textSeed(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash | 0;
}

/** The generator from its 128-bit state as four 32-bit words, not all zero. For reference vectors. */
export function fromState(state: readonly [number, number, number, number]): Random {
  const uint32 = xoshiro128(state);
  const unit = (): number => uint32() / 2 ** 32;
  return { uint32, unit, below: (bound) => below(uint32, bound), normal: () => normal(unit) };
}

/** A new array with the items in random order (Fisher and Yates); the given one stays as it is. */
export function shuffle<T>(items: readonly T[], random: Random): T[] {
  const out = items.slice();
  for (let last = out.length - 1; last > 0; last--) {
    const pick = random.below(last + 1);
    const held = out[last] as T;
    out[last] = out[pick] as T;
    out[pick] = held;
  }
  return out;
}

function checkSeed(seed: number): number {
  if (!Number.isSafeInteger(seed))
    throw usageError("a seed must be an integer", { got: `${seed}` });
  return seed | 0;
}

function xoshiro128(state: readonly [number, number, number, number]): () => number {
  let [a, b, c, d] = state;
  return () => {
    const result = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return result;
  };
}

/** Steele, Lea and Flood's finalizer in its 32-bit form: neighbouring seeds give unrelated states. */
function splitmix32(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function below(uint32: () => number, bound: number): number {
  if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
    throw usageError("a random bound must be an integer in 1..2^32", { got: `${bound}` });
  }
  const limit = 2 ** 32 - (2 ** 32 % bound);
  let drawn = uint32();
  while (drawn >= limit) drawn = uint32();
  return drawn % bound;
}

function normal(unit: () => number): number {
  // 1 - unit() is in (0, 1], so that the logarithm is finite.
  return Math.sqrt(-2 * Math.log(1 - unit())) * Math.cos(2 * Math.PI * unit());
}
