/**
 * What tests of layers that shift share: seeded draws, weights in the chips' styles, and comparison.
 */
import type { Node, Ops } from "../src/ir/ops.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Pair, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, type TensorType, toNumbers } from "../src/tensor/tensor.ts";

/** Stands for a value that a run did not give. */
export const nothing: Tensor = float32([0], []);

/** An integer in `lo..hi`, both included. */
export type Draw = (lo: number, hi: number) => number;

export function drawing(seed: number): Draw {
  const random = createRandom(seed);
  return (lo, hi) => lo + random.below(hi - lo + 1);
}

export function constant(id: string, value: Tensor): Node {
  return { op: "const", id, inputs: [], attrs: { tensor: value } };
}

/** Bits of a weight on the chip. */
export type Style = 1 | 2 | 3 | 5 | 8 | 12;

/** Masks of the schemes whose kernels have a magnitude, and the largest such magnitude. */
const schemes = {
  1: { mask: [-1, 1], most: 2047 },
  2: { mask: [-1, 0, 1, 1], most: 2047 },
  3: { mask: [-4, -2, -1, 0, 1, 2, 4, 4], most: 511 },
  5: { mask: [-15, -7, -1, 0, 1, 5, 8, 12, 15], most: 136 },
  8: { mask: Array.from({ length: 255 }, (_, at) => at - 100), most: 1 },
  12: { mask: Array.from({ length: 4095 }, (_, at) => Math.min(at - 1500, 2047)), most: 1 },
} as const;

/** Integers as the chips hold them: a magnitude per kernel times a mask, or free values. Rather above 0. */
export function styledWeights(shape: Shape, bits: Style, draw: Draw): Int16Array {
  const taps = (shape[2] ?? 1) * (shape[3] ?? 1);
  const { mask, most } = schemes[bits];
  const weights = new Int16Array(elementCount(shape));
  for (let first = 0; first < weights.length; first += taps) {
    const magnitude = draw(1, most);
    for (let at = first; at < first + taps; at += 1) {
      weights[at] = (mask[draw(0, mask.length - 1)] ?? 0) * magnitude;
    }
  }
  return weights;
}

export function inputNode(id: string, { dtype, shape }: TensorType): Node {
  return { op: "input", id, inputs: [], attrs: { dtype, shape } };
}

/** A window that keeps the top left pixel of each block. */
export function samplePool(stride: Pair): Ops["maxPool"] {
  return { kernel: [1, 1], stride, pads: [0, 0, 0, 0], dilation: [1, 1], ceil: false };
}

/** Index of the first element that differs; -1 where none does. */
export function firstDifference(wanted: Tensor, got: Tensor, zero: number): number {
  if (wanted.data.length !== got.data.length) return 0;
  const [a, b] = [toNumbers(wanted), toNumbers(got)];
  return a.findIndex((value, at) => value !== (b[at] ?? Number.NaN) + zero);
}
