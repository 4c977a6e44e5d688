/**
 * How what a layer's taps read goes together: centred second moments over random pixels of some pictures, of the levels that
 * the chip gives.
 */
import type { Node } from "../ir/ops.ts";
import { asNchw } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { numbersIn } from "./held-levels.ts";

export type Window = Pick<Node<"shiftConv">["attrs"], "stride" | "pads" | "dilation">;

/** Some input channels of a kernel. */
export type Taps = {
  /** First of these channels, and behind the last. */
  readonly from: number;
  readonly to: number;
  readonly kernel: readonly [number, number];
};

/**
 * `[taps, taps]`, taps as in the weights, `[channels, kh, kw]`. `values` are the layer's inputs [1, c, h, w], `pixels` places
 * of its output (`row * width + column`), per picture; outside the picture taps read 0.
 */
export function inputMoments(
  values: readonly Tensor[],
  pixels: readonly Int32Array[],
  width: number,
  window: Window,
  part: Taps,
): Float64Array {
  const taps = (part.to - part.from) * part.kernel[0] * part.kernel[1];
  const moments = new Float64Array(taps * taps);
  const sums = new Float64Array(taps);
  const row = new Float32Array(taps);
  let count = 0;
  for (const [picture, value] of values.entries()) {
    const [, , h, w] = asNchw(value.shape);
    const data = numbersIn(value);
    for (const pixel of pixels[picture] ?? []) {
      readTaps(row, data, [h, w], [Math.floor(pixel / width), pixel % width], window, part);
      addProducts(row, moments, sums);
      count += 1;
    }
  }
  centre(moments, sums, count);
  return moments;
}

function readTaps(
  row: Float32Array,
  data: ArrayLike<number>,
  [h, w]: readonly [number, number],
  [y, x]: readonly [number, number],
  { stride, pads, dilation }: Window,
  { from, to, kernel: [kh, kw] }: Taps,
): void {
  const [top, left] = [y * stride[0] - pads[0], x * stride[1] - pads[1]];
  let at = 0;
  for (let channel = from; channel < to; channel += 1) {
    for (let i = 0; i < kh; i += 1) {
      const line = top + i * dilation[0];
      for (let j = 0; j < kw; j += 1) {
        const column = left + j * dilation[1];
        const inside = line >= 0 && line < h && column >= 0 && column < w;
        row[at] = inside ? (data[(channel * h + line) * w + column] ?? 0) : 0;
        at += 1;
      }
    }
  }
}

/** The upper half of the products; many levels are 0. */
function addProducts(row: Float32Array, moments: Float64Array, sums: Float64Array): void {
  const taps = row.length;
  for (let i = 0; i < taps; i += 1) {
    const x = row[i]!;
    if (x === 0) continue;
    sums[i]! += x;
    const base = i * taps;
    for (let j = i; j < taps; j += 1) moments[base + j]! += x * row[j]!;
  }
}

/** Takes the means away and fills the lower half. */
function centre(moments: Float64Array, sums: Float64Array, count: number): void {
  const taps = sums.length;
  for (let i = 0; i < taps; i += 1) {
    const mean = (sums[i] ?? 0) / Math.max(1, count);
    for (let j = i; j < taps; j += 1) {
      const value = (moments[i * taps + j] ?? 0) - mean * (sums[j] ?? 0);
      moments[i * taps + j] = value;
      moments[j * taps + i] = value;
    }
  }
}
