/**
 * The activation of the GTI chips: ReLU with a cap, on a grid of `2^bits` levels from 0 to the cap. Scalar
 * definitions with the reference's intermediate types.
 */
import { usageError } from "../error.ts";

/**
 * `floor(clamp(x, 0, cap) * q / cap + 0.5) * cap / q` with `q = 2^bits - 1`: product and quotient before the
 * floor are float32, the rest are doubles. `bits` is 1 to 31. A NaN stays one. Throws where the cap is not positive and
 * finite, or too large for the product.
 *
 * Cap 31, 5 bits: `-1 -> 0, 0.4 -> 0, 0.5 -> 1, 30.6 -> 31, 99 -> 31`. Cap 1, 1 bit: `0.5 -> 1`.
 */
export function cappedRelu(x: number, cap: number, bits: number): number {
  const q = 2 ** bits - 1;
  const cap32 = Math.fround(cap);
  const factor = Math.fround(q);
  checkCap(cap32, factor, bits);
  const clamped = Math.min(Math.max(Math.fround(x), 0), cap32);
  const steps = Math.fround(Math.fround(clamped * factor) / cap32);
  return Math.fround((Math.floor(steps + 0.5) * cap32) / q);
}

function checkCap(cap: number, factor: number, bits: number): void {
  if (!(Number.isInteger(bits) && bits >= 1 && bits <= 31)) {
    throw usageError("bits of an activation are out of range", {
      expected: "1 to 31",
      got: `${bits}`,
    });
  }
  if (!(cap > 0 && Math.fround(cap * factor) < Number.POSITIVE_INFINITY)) {
    throw usageError("the cap of an activation must be positive", {
      expected: "a positive, finite float32",
      got: `${cap}`,
      hint: "A cap of 0 or below gives the same output for every input: calibrate the layer again",
    });
  }
}

/**
 * The activation before quantization: `max(x, 0) + slope * min(x, 0)` in float32. The cap plays no part.
 *
 * Slope 0.5: `2 -> 2, -2 -> -1`. Slope 0: `-2 -> 0, -0 -> -0`.
 */
export function slopedRelu(x: number, slope: number): number {
  const x32 = Math.fround(x);
  return x32 < 0 ? Math.fround(Math.fround(slope) * x32) + 0 : x32;
}
