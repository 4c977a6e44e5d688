/**
 * Moving average of each batch's extremes (Jacob et al., arXiv:1712.05877, section 3.1): one strange
 * batch moves the range a little. Depends on the order of the batches, unlike the other observers.
 */
import { usageError } from "../../error.ts";
import type { Extremes } from "./extremes.ts";

export type MovingAverage = {
  readonly min: number;
  readonly max: number;
  readonly batches: number;
  /** Share of the past in each step, 0 <= momentum < 1. */
  readonly momentum: number;
};

/** Nothing seen yet. Throws unless `0 <= momentum < 1`. */
export function startMovingAverage(momentum = 0.9): MovingAverage {
  if (!(momentum >= 0 && momentum < 1)) {
    throw usageError("momentum must be at least 0 and below 1", { got: `${momentum}` });
  }
  return { min: 0, max: 0, batches: 0, momentum };
}

/** `m * before + (1 - m) * batch`; the first batch stands alone, an empty one changes nothing. */
export function observeBatch(before: MovingAverage, batch: Extremes): MovingAverage {
  if (batch.count === 0) return before;
  const { momentum, batches } = before;
  const past = batches === 0 ? 0 : momentum;
  return {
    min: past * before.min + (1 - past) * batch.min,
    max: past * before.max + (1 - past) * batch.max,
    batches: batches + 1,
    momentum,
  };
}

/** The mean of two shards' averages, weighted by their batches. Throws where the momenta differ. */
export function mergeMovingAverages(a: MovingAverage, b: MovingAverage): MovingAverage {
  if (a.momentum !== b.momentum) {
    throw usageError("momenta differ", { expected: `${a.momentum}`, got: `${b.momentum}` });
  }
  const batches = a.batches + b.batches;
  if (batches === 0) return a;
  const mean = (x: number, y: number): number => (x * a.batches + y * b.batches) / batches;
  return { min: mean(a.min, b.min), max: mean(a.max, b.max), batches, momentum: a.momentum };
}
