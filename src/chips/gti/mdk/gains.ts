/**
 * Gain editing as the kit's scripts do it: a layer's weights times one number and its bias times another, so that every
 * cap becomes the chip's own. program/gain.ts does the same to a graph, in doubles rounded once and per channel; here
 * the gain is rounded to float32 first and the product again, as the scripts' arithmetic has it.
 */

/** What a layer reads or gives: real value `range` stands at the chip's number `top`. */
export type Scaling = { readonly range: number; readonly top: number };

export type Gain = {
  /** Factors, not yet rounded to float32. */
  readonly weight: number;
  readonly bias: number;
};

/** Caps on the chip: 5 bits in whole steps, 10 bits in whole steps, 10 bits in steps of 1/32. */
export const chipTops: { readonly five: 31; readonly ten: 1023; readonly tenLast: number } = {
  five: 31,
  ten: 1023,
  tenLast: 1023 / 32,
};

/**
 * `weight = (input.range / output.range) * (output.top / input.top)`, `bias = output.top / output.range`.
 *
 * Caps 6 and 3, both 31 on the chip: `weight 2, bias 31 / 3`. A picture of range 31 at 31 and a cap of 93 at 1023:
 * `weight 11, bias 11`.
 */
export function gainOf(input: Scaling, output: Scaling): Gain {
  const ratio = input.range / output.range;
  return {
    weight: input.top === output.top ? ratio : (ratio * output.top) / input.top,
    bias: output.top / output.range,
  };
}

/** Every value times the gain, both float32, rounded to float32. */
export function applyGain(values: Float32Array, gain: number): Float32Array {
  const factor = Math.fround(gain);
  return values.map((value) => value * factor);
}
