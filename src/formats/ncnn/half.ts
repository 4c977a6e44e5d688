/**
 * Half-precision numbers (IEEE 754 binary16) from float32 and back.
 */

const scratch = new DataView(new ArrayBuffer(4));

/**
 * The bits of the half nearest to a float32, ties to even; beyond 65519.99 the bits of an infinity.
 * `1 -> 0x3c00`, `2^-24 -> 1`, `2^-25 -> 0` (a tie), `1 + 2^-11 -> 0x3c00` (a tie).
 */
export function toHalf(value: number): number {
  scratch.setFloat32(0, value);
  const bits = scratch.getUint32(0);
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x477ff000) return sign | 0x7c00;
  const exponent = size >>> 23;
  if (exponent < 113) return sign | halfBelowNormal(size, exponent);
  return sign | rounded(size - (112 << 23), 13);
}

/** Below 2^-14 a half counts steps of 2^-24. */
function halfBelowNormal(size: number, exponent: number): number {
  const shift = 126 - exponent;
  return shift > 24 ? 0 : rounded((size & 0x7fffff) | 0x800000, shift);
}

/** `value / 2^shift` to the nearest integer, ties to even. */
function rounded(value: number, shift: number): number {
  const below = value & (2 ** shift - 1);
  const whole = value >>> shift;
  const half = 2 ** (shift - 1);
  return below > half || (below === half && whole % 2 === 1) ? whole + 1 : whole;
}

/** The number that a half's bits stand for. */
export function fromHalf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
