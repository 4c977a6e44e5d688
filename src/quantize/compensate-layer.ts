/**
 * A convolution's weights rounded so that they make good each other's errors, in blocks of input channels: the second
 * moments of all taps of a wide layer would take minutes, and more pixels than there are.
 */
import type { Node } from "../ir/ops.ts";
import type { Nchw } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { roundCompensated } from "./compensated-rounding.ts";
import { inputMoments } from "./input-moments.ts";

/** Taps of a block at most; one channel's kernel may have more. */
const mostTaps = 1024;
/** Pixels that the moments of a block are taken from, per tap. */
const pixelsPerTap = 8;

/** What a layer reads, per picture. */
export type LayerInputs = {
  /** Levels [1, c, h, w]. */
  readonly values: readonly Tensor[];
  /** Random places of its output, `row * width + column`. */
  readonly pixels: readonly Int32Array[];
  readonly width: number;
};

/**
 * The integers nearest to what `exact` computes from these inputs, block by block; magnitudes are `largest` at most. `exact`
 * are weights of this shape, [out, in / groups, kh, kw], on the grid of the integers.
 */
export function compensatedLevels(
  exact: Float64Array,
  shape: Nchw,
  { groups, ...window }: Pick<Node<"conv">["attrs"], "stride" | "pads" | "dilation" | "groups">,
  inputs: LayerInputs,
  largest: number,
): Float64Array {
  const [outputs, channels, height, width] = shape;
  const kernel = [height, width] as const;
  const area = height * width;
  const own = outputs / groups;
  const step = Math.max(1, Math.floor(mostTaps / area));
  const levels = exact.slice();
  for (let group = 0; group < groups; group += 1) {
    for (let from = 0; from < channels; from += step) {
      const to = Math.min(channels, from + step);
      const first = group * channels;
      const taps = (to - from) * area;
      const part = { from: first + from, to: first + to, kernel };
      const pixels = fewer(inputs.pixels, pixelsPerTap * taps);
      const moments = inputMoments(inputs.values, pixels, inputs.width, window, part);
      const rows = { first: group * own, count: own, length: channels * area, from: from * area };
      const weight = gathered(levels, rows, taps);
      roundCompensated({ weight, moments, taps, largest });
      scatter(levels, rows, weight, taps);
    }
  }
  return levels;
}

/** The first of each picture's pixels, so many in all. */
function fewer(pixels: readonly Int32Array[], count: number): readonly Int32Array[] {
  const each = Math.ceil(count / Math.max(1, pixels.length));
  return pixels.map((some) => some.subarray(0, each));
}

/** A block of columns of some rows. */
type Rows = {
  readonly first: number;
  readonly count: number;
  readonly length: number;
  readonly from: number;
};

function gathered(
  weight: Float64Array,
  { first, count, length, from }: Rows,
  taps: number,
): Float64Array {
  const block = new Float64Array(count * taps);
  for (let row = 0; row < count; row += 1) {
    const at = (first + row) * length + from;
    block.set(weight.subarray(at, at + taps), row * taps);
  }
  return block;
}

function scatter(
  weight: Float64Array,
  { first, count, length, from }: Rows,
  block: Float64Array,
  taps: number,
): void {
  for (let row = 0; row < count; row += 1) {
    weight.set(block.subarray(row * taps, (row + 1) * taps), (first + row) * length + from);
  }
}
