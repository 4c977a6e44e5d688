/**
 * Whether the first layer gets what it was trained on: against the batch norm behind it, or where it clips.
 */
import type { Preprocess } from "../data/preprocess.ts";
import type { Warning } from "../notice.ts";
import type { Found, Scene } from "./checked-pictures.ts";
import { clippedLayer, type NormStatistics, normedLayer } from "./first-layer.ts";
import {
  alternatives,
  type ChannelStatistics,
  channelStatistics,
  deviations,
  divergence,
  flagsOf,
  swapChannels,
} from "./preprocess-statistics.ts";
import { openSession } from "./session.ts";

/**
 * Right settings gave a divergence of 0.002 to 0.07 (five networks, two picture sets each, also pictures of another
 * kind than the network knows), a missing mean 0.6 to 80000, a wrong scale 0.5 to 80000, Caffe's mean where none
 * belongs 0.3; halves of 127.5 for 127 and 128 cannot be told, nor can values that differ as little.
 */
const mostDivergence = 0.2;
/** Of a clipped first layer: right settings gave 0.3 to 0.4 times the clip's bound, pixels unscaled 16 to 39. */
const mostClipped = 8;

/**
 * Divergence as given over divergence with red and blue exchanged. Right settings gave 0.1 to 0.9 (five networks, ten
 * picture sets), wrong ones 1.1 to 9.
 */
export const orderGain = 1.35;

/** How well the pictures fit the first layer's batch norm. */
export type Fit = {
  /** Divergence as given. */
  readonly given: number;
  /** Divergence with red and blue exchanged; the same for grey networks. */
  readonly swapped: number;
  /** Where the given one is too large. */
  readonly warning: Found;
};

type Trial = {
  readonly preprocess: Preprocess;
  readonly observed: ChannelStatistics;
  readonly divergence: number;
};

/** The first convolution against its batch norm; undefined where the network has none there. */
export async function compareStatistics(scene: Scene): Promise<Fit | undefined> {
  const found = normedLayer(scene.network.imported);
  if (found === undefined) return undefined;
  const { layer, statistics } = found;
  const session = await openSession(layer.graph, scene.runtime);
  const swapped = scene.channels === 3 ? scene.pictures.map(swapChannels) : scene.pictures;
  const attempt = async (preprocess: Preprocess): Promise<Trial> => {
    const pictures = preprocess.order === scene.preprocess.order ? scene.pictures : swapped;
    const observed = await channelStatistics(session, layer.conv, pictures, preprocess);
    return { preprocess, observed, divergence: divergence(observed, statistics) };
  };
  try {
    const given = await attempt(scene.preprocess);
    const isFar = given.divergence > mostDivergence;
    const trials: Trial[] = [];
    const others = alternatives(scene.preprocess, scene.channels);
    for (const other of isFar ? others : others.slice(0, 1)) trials.push(await attempt(other));
    const other = scene.channels === 3 ? trials[0] : given;
    return {
      given: given.divergence,
      swapped: other?.divergence ?? given.divergence,
      warning: isFar ? mismatch(scene, layer.conv, statistics, given, trials) : undefined,
    };
  } finally {
    await session.release();
  }
}

function mismatch(
  { channels, preprocess }: Scene,
  conv: string,
  statistics: NormStatistics,
  given: Trial,
  trials: readonly Trial[],
): Warning {
  const best = bestOf(trials, preprocess.order);
  const limit = Math.min(mostDivergence, given.divergence / 3);
  const advice =
    best !== undefined && best.divergence < limit
      ? `${flagsOf(best.preprocess, channels)} fits much better`
      : "check --mean, --scale, --std and --order";
  const { shift, spread } = deviations(given.observed, statistics);
  return {
    id: "preprocessing-statistics",
    message: `the first layer's values are not those that the network was trained on: means off by ${figure(shift)} deviations, deviations ${figure(spread)} times as large; ${advice}`,
    where: `conv "${conv}"`,
  };
}

/** The trial that fits best; one in the other order only where it fits clearly better. */
function bestOf(trials: readonly Trial[], order: Preprocess["order"]): Trial | undefined {
  const cost = (trial: Trial): number =>
    trial.divergence * (trial.preprocess.order === order ? 1 : orderGain);
  return trials.toSorted((a, b) => cost(a) - cost(b))[0];
}

function figure(value: number): string {
  return Number(value.toPrecision(2)).toString();
}

/** A clipped first layer that gets values many times its bound. */
export async function clippedRange(scene: Scene): Promise<Found> {
  const found = clippedLayer(scene.network.float);
  if (found === undefined) return undefined;
  const { layer, max } = found;
  const session = await openSession(layer.graph, scene.runtime);
  try {
    const { pictures, preprocess } = scene;
    const statistics = await channelStatistics(session, layer.conv, pictures, preprocess);
    const powers = statistics.variance.map((value, at) => value + (statistics.mean[at] ?? 0) ** 2);
    const power = powers.reduce((a, b) => a + b, 0) / powers.length;
    const times = Math.sqrt(power) / max;
    if (times < mostClipped) return undefined;
    return {
      id: "preprocessing-range",
      message: `the first layer's values are ${figure(times)} times the ${figure(max)} that it clips at: the input is too large; check --scale and --mean`,
      where: `conv "${layer.conv}"`,
    };
  } finally {
    await session.release();
  }
}
