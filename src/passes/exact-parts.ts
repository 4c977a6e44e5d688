/**
 * Keeps the sums of a convolution exact in float32 by splitting it: first into runs of input channels, which costs
 * no multiplication more, and where that does not do (or is dearer) its weights into digits. Here are the parts
 * alone; lower-shifted.ts puts their sums together.
 */
import type { Nchw } from "../tensor/shape.ts";
import type { Interval } from "./exact-planes.ts";

/** A convolution over the input channels `from..to` of each group; its sums count `factor` times. */
export type Part = {
  readonly factor: number;
  readonly from: number;
  readonly to: number;
  /** `[out, to - from, kh, kw]`. */
  readonly weight: Float64Array;
  readonly bias: Float64Array;
  /** Largest magnitude of its partial sums. */
  readonly bound: number;
};

export type Splittable = {
  readonly shape: Nchw;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
  /** True where the groups leave no channels to divide. */
  readonly grouped: boolean;
};

/** What a part's sums may come to. */
export type Room = {
  /** Input range, 0 in it. */
  readonly x: Interval;
  /** Magnitude that is added to the first part besides its bias. */
  readonly added: number;
  /** Largest magnitude of a partial sum. */
  readonly limit: number;
};

/** Bases of the digits, lowest first, from no split to ever narrower digits. */
const basesTried: readonly (readonly number[])[] = [
  [],
  [64],
  [8, 8],
  [8, 8, 8],
  [4, 4, 4, 4],
  [2, 2, 2, 2, 2, 2, 2, 2],
];

/** Runs of channels are multiples of this where they can: the engine computes blocks of as many. */
const channelBlock = 16;
/** What one more part costs per output, in multiplications: its sum is split and added in several passes. */
const costOfPart = 400;
/** Parts of one layer. */
const maxParts = 1024;

/**
 * The cheapest parts whose sums stay within the limit, in any order of summation:
 * `acc = sum(factor * part)`. Undefined where there are none.
 */
export function exactParts(layer: Splittable, room: Room): readonly Part[] | undefined {
  const { main, constants } = apartBias(layer, room.limit);
  const [, inPerGroup, kh, kw] = layer.shape;
  let best: { readonly parts: readonly Part[]; readonly cost: number } | undefined;
  for (const bases of basesTried) {
    const least = (bases.length + 1) * inPerGroup * kh * kw;
    if (best !== undefined && least >= best.cost) break;
    const parts = splitBy(main, bases, room);
    if (parts === undefined || parts.length > maxParts) continue;
    const cost = least + parts.length * costOfPart;
    if (best === undefined || cost < best.cost) best = { parts, cost };
  }
  return best && [...best.parts, ...constants];
}

/** A bias that would take most of the room becomes parts of its own: convolutions of zeros. */
function apartBias(
  layer: Splittable,
  limit: number,
): { readonly main: Splittable; readonly constants: readonly Part[] } {
  if (largest(layer.bias) <= limit / 4) return { main: layer, constants: [] };
  const [out, inPerGroup, kh, kw] = layer.shape;
  const to = layer.grouped ? inPerGroup : 1;
  const weight = new Float64Array(out * to * kh * kw);
  const constants = digitsOf(layer.bias, [4096, 4096]).map((bias, at): Part => {
    return { factor: 4096 ** at, from: 0, to, weight, bias, bound: largest(bias) };
  });
  return {
    main: { ...layer, bias: new Float64Array(out) },
    constants: constants.filter(({ bound }) => bound > 0),
  };
}

function largest(values: Float64Array): number {
  return values.reduce((worst, value) => Math.max(worst, Math.abs(value)), 0);
}

function splitBy(
  layer: Splittable,
  bases: readonly number[],
  room: Room,
): readonly Part[] | undefined {
  const parts: Part[] = [];
  let factor = 1;
  for (const [plane, weight] of digitsOf(layer.weight, bases).entries()) {
    const first = plane === 0;
    const bias = first ? layer.bias : new Float64Array(layer.bias.length);
    const added = first ? room.added : 0;
    const runs = channelRuns({ ...layer, weight, bias }, { ...room, added });
    if (runs === undefined) return undefined;
    for (const { from, to, bound } of runs) {
      const own = from === 0 ? bias : new Float64Array(bias.length);
      parts.push({
        factor,
        from,
        to,
        weight: ofChannels(weight, layer.shape, from, to),
        bias: own,
        bound,
      });
    }
    factor *= bases[plane] ?? 1;
  }
  return parts;
}

/** Digits in mixed base, balanced around 0, lowest first; the last takes what is left. */
function digitsOf(values: Float64Array, bases: readonly number[]): readonly Float64Array[] {
  let rest = values;
  const digits = bases.map((base) => {
    const high = rest.map((value) => Math.floor(value / base + 0.5));
    const low = rest.map((value, at) => value - base * (high[at] ?? 0));
    rest = high;
    return low;
  });
  return [...digits, rest];
}

type Run = { readonly from: number; readonly to: number; readonly bound: number };

/** As few runs of channels as the limit allows; undefined where one channel alone is too much. */
function channelRuns(layer: Splittable, room: Room): readonly Run[] | undefined {
  const [, channels] = layer.shape;
  const whole = runsOf(layer, room, channels);
  if (whole !== undefined || layer.grouped) return whole;
  return runsOf(layer, room, channelBlock) ?? runsOf(layer, room, 1);
}

/** Runs of whole blocks, each as long as fits. */
function runsOf(layer: Splittable, room: Room, block: number): readonly Run[] | undefined {
  const [, channels] = layer.shape;
  const sums = new PartialSums(layer, room);
  const runs: Run[] = [];
  let [from, bound] = [0, 0];
  for (let at = 0; at < channels; at += block) {
    const to = Math.min(at + block, channels);
    const longer = sums.add(at, to);
    if (longer <= room.limit) {
      bound = longer;
      continue;
    }
    if (at === from) return undefined;
    runs.push({ from, to: at, bound });
    sums.restart();
    [from, bound] = [at, sums.add(at, to)];
    if (bound > room.limit) return undefined;
  }
  return [...runs, { from, to: channels, bound }];
}

/** The worst sums of each output channel over a growing run of input channels. */
class PartialSums {
  readonly #layer: Splittable;
  readonly #x: Interval;
  readonly #added: number;
  readonly #up: Float64Array;
  readonly #down: Float64Array;

  constructor(layer: Splittable, room: Room) {
    this.#layer = layer;
    this.#x = room.x;
    this.#added = room.added;
    this.#up = layer.bias.map((value) => Math.max(value, 0) + this.#added);
    this.#down = layer.bias.map((value) => Math.max(-value, 0) + this.#added);
  }

  /** Begins a run that is not the first: without bias. */
  restart(): void {
    this.#up.fill(0);
    this.#down.fill(0);
  }

  /** The largest magnitude with the channels `from..to` in the run. */
  add(from: number, to: number): number {
    const [out, channels, kh, kw] = this.#layer.shape;
    const { weight } = this.#layer;
    const { lo, hi } = this.#x;
    const taps = kh * kw;
    let worst = 0;
    for (let channel = 0; channel < out; channel += 1) {
      let [positive, negative] = [0, 0];
      const end = (channel * channels + to) * taps;
      for (let at = (channel * channels + from) * taps; at < end; at += 1) {
        const value = weight[at] ?? 0;
        if (value > 0) positive += value;
        else negative -= value;
      }
      const up = (this.#up[channel] ?? 0) + positive * hi - negative * lo;
      const down = (this.#down[channel] ?? 0) + negative * hi - positive * lo;
      this.#up[channel] = up;
      this.#down[channel] = down;
      worst = Math.max(worst, up, down);
    }
    return worst;
  }
}

/** The weights of input channels `from..to`. */
function ofChannels(
  weight: Float64Array,
  [out, channels, kh, kw]: Nchw,
  from: number,
  to: number,
): Float64Array {
  if (from === 0 && to === channels) return weight;
  const taps = kh * kw;
  const length = (to - from) * taps;
  const picked = new Float64Array(out * length);
  for (let channel = 0; channel < out; channel += 1) {
    const start = (channel * channels + from) * taps;
    picked.set(weight.subarray(start, start + length), channel * length);
  }
  return picked;
}
