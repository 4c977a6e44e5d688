/**
 * Outliers among weights of dynamic fixed point: one large weight halves the precision of all others. Limiting the
 * few largest, so that the layer's shift rises by one or two, can have the smaller squared error.
 */
import { largestMagnitude, roundByHalf } from "../../../fixed/layer-shift.ts";

/** Shifts tried above the one that holds every weight. */
const steps = 3;

export type ClippedWeights = {
  readonly weight: Float32Array;
  /** How many weights were limited. */
  readonly clipped: number;
};

/**
 * The weights, limited to what the best shift holds: the least squared error of rounding and limiting together.
 * `weight` itself where that is the shift that holds all of them.
 *
 * 8 bits, one weight of 1.1 among many of 0.307: shift 6 holds 1.1 and rounds 0.307 to 20 / 64, shift 7 limits 1.1 to
 * 127 / 128 and rounds 0.307 to 39 / 128. Beside 400 of them shift 6 has the smaller sum, beside 1000 shift 7.
 */
export function clipWeights(
  weight: Float32Array,
  parameterBits: number,
  shiftMax: number,
): ClippedWeights {
  const largest = largestMagnitude(parameterBits);
  const peak = weight.reduce((max, w) => Math.max(max, Math.abs(w)), 0);
  const own = Math.min(Math.floor(Math.log2(largest / peak)), shiftMax);
  if (peak === 0 || own < 0) return { weight, clipped: 0 };
  let best = own;
  let least = squaredError(weight, own, largest);
  for (let shift = own + 1; shift < own + steps && shift <= shiftMax; shift += 1) {
    const error = squaredError(weight, shift, largest);
    if (error < least) [best, least] = [shift, error];
  }
  if (best === own) return { weight, clipped: 0 };
  const limit = largest / 2 ** best;
  const clipped = weight.reduce((count, w) => count + (Math.abs(w) > limit ? 1 : 0), 0);
  return { weight: weight.map((w) => Math.min(Math.max(w, -limit), limit)), clipped };
}

function squaredError(weight: Float32Array, shift: number, largest: number): number {
  const scale = 2 ** shift;
  let sum = 0;
  for (const w of weight) {
    const level = Math.min(Math.max(roundByHalf(w * scale), -largest), largest);
    sum += (level / scale - w) ** 2;
  }
  return sum;
}
