/**
 * Where the copies of a channel round. Copy k of n gets `(k + 1/2) / n - 1/2` of a level on top of its sum; then the copies'
 * levels add up to the level of an activation n times as fine: `sum over k of floor(x + (k + 1/2) / n) = floor(n x + 1/2)`,
 * Hermite's identity at `x + 1 / 2n`.
 */

/**
 * The offset of each channel in levels; `channels` is all of them, the copies one behind the other. Three channels in 2
 * copies: -1/4, -1/4, -1/4, 1/4, 1/4, 1/4.
 */
export function copyPhases(channels: number, copies: number): Float64Array {
  const own = channels / copies;
  return Float64Array.from(
    { length: channels },
    (_, channel) => (Math.floor(channel / own) + 0.5) / copies - 0.5,
  );
}
