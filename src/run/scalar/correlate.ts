/**
 * The two sums behind every convolution, in double: cross-correlation and its transpose. Plain loops
 * over the kernel's taps; what lies in the padding is never visited, so it adds 0.
 */
import type { ConvAttrs } from "../../ir/ops.ts";
import type { Pair } from "../../tensor/shape.ts";

/** Everything a convolution's loops need. Channel counts are per group. */
export type ConvSizes = {
  readonly batch: number;
  readonly groups: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernel: Pair;
  readonly image: Pair;
  readonly output: Pair;
};

/** The places of a short line that one kernel tap connects with places of a long line. */
type Span = {
  /** First and last + 1 place on the short line. */
  readonly from: number;
  readonly to: number;
  /** Place on the long line that belongs to `from`; the next is `stride` further. */
  readonly first: number;
  readonly stride: number;
};

/** Short place `i` meets long place `i * stride - pad + tap * dilation`, where that exists. */
function spans(axis: 0 | 1, short: Pair, long: Pair, kernel: Pair, attrs: ConvAttrs): Span[] {
  const stride = attrs.stride[axis];
  return Array.from({ length: kernel[axis] }, (_, tap) => {
    const offset = tap * attrs.dilation[axis] - attrs.pads[axis];
    const from = Math.max(0, Math.ceil(-offset / stride));
    const to = Math.min(short[axis], Math.floor((long[axis] - 1 - offset) / stride) + 1);
    return { from, to, first: from * stride + offset, stride };
  });
}

/** A 1x1 kernel that visits every pixel may take the image for one long row: longer inner loops. */
function asOneRow(sizes: ConvSizes, attrs: ConvAttrs): ConvSizes {
  const plain =
    sizes.kernel.every((taps) => taps === 1) &&
    attrs.stride.every((stride) => stride === 1) &&
    attrs.pads.every((pad) => pad === 0);
  if (!plain) return sizes;
  const [h, w] = sizes.image;
  return { ...sizes, image: [1, h * w], output: [1, h * w] };
}

/**
 * `sums[n, o, y, x] = sum over c, ky, kx of x[n, c, y * stride - pad + ky * dilation, ...] * w[o, c, ky, kx]`.
 *
 * `x` is `[batch, groups * inChannels, image]`, `weight` `[groups * outChannels, inChannels, kernel]`.
 */
export function correlate(
  x: Float64Array,
  weight: Float64Array,
  given: ConvSizes,
  attrs: ConvAttrs,
): Float64Array {
  const sizes = asOneRow(given, attrs);
  const { batch, groups, inChannels, outChannels, image, output } = sizes;
  const rows = spans(0, output, image, sizes.kernel, attrs);
  const columns = spans(1, output, image, sizes.kernel, attrs);
  const [inPlane, outPlane] = [image[0] * image[1], output[0] * output[1]];
  const sums = new Float64Array(batch * groups * outChannels * outPlane);
  let weightAt = 0;
  for (let out = 0; out < groups * outChannels; out += 1) {
    const firstIn = Math.floor(out / outChannels) * inChannels;
    for (let channel = firstIn; channel < firstIn + inChannels; channel += 1) {
      for (const row of rows) {
        for (const column of columns) {
          const tap = weight[weightAt]!;
          weightAt += 1;
          for (let n = 0; n < batch; n += 1) {
            const to = sums.subarray((n * groups * outChannels + out) * outPlane);
            const from = x.subarray((n * groups * inChannels + channel) * inPlane);
            gather(to, output[1], from, image[1], tap, row, column);
          }
        }
      }
    }
  }
  return sums;
}

/** Short += tap * long. */
function gather(
  short: Float64Array,
  shortWidth: number,
  long: Float64Array,
  longWidth: number,
  tap: number,
  row: Span,
  column: Span,
): void {
  const { from, to, first, stride } = column;
  for (let y = row.from; y < row.to; y += 1) {
    const shortAt = y * shortWidth;
    let longAt = (row.first + (y - row.from) * row.stride) * longWidth + first;
    for (let at = shortAt + from; at < shortAt + to; at += 1) {
      short[at]! += tap * long[longAt]!;
      longAt += stride;
    }
  }
}

/**
 * The transpose: every input pixel times the kernel is added where correlation would have read it.
 *
 * `x` is `[batch, groups * inChannels, image]`, `weight` `[groups * inChannels, outChannels, kernel]`.
 */
export function scatterCorrelate(
  x: Float64Array,
  weight: Float64Array,
  sizes: ConvSizes,
  attrs: ConvAttrs,
): Float64Array {
  const { batch, groups, inChannels, outChannels, image, output } = sizes;
  const rows = spans(0, image, output, sizes.kernel, attrs);
  const columns = spans(1, image, output, sizes.kernel, attrs);
  const [inPlane, outPlane] = [image[0] * image[1], output[0] * output[1]];
  const sums = new Float64Array(batch * groups * outChannels * outPlane);
  let weightAt = 0;
  for (let channel = 0; channel < groups * inChannels; channel += 1) {
    const firstOut = Math.floor(channel / inChannels) * outChannels;
    for (let out = firstOut; out < firstOut + outChannels; out += 1) {
      for (const row of rows) {
        for (const column of columns) {
          const tap = weight[weightAt]!;
          weightAt += 1;
          for (let n = 0; n < batch; n += 1) {
            const to = sums.subarray((n * groups * outChannels + out) * outPlane);
            const from = x.subarray((n * groups * inChannels + channel) * inPlane);
            scatter(to, output[1], from, image[1], tap, row, column);
          }
        }
      }
    }
  }
  return sums;
}

/** Long += tap * short. */
function scatter(
  long: Float64Array,
  longWidth: number,
  short: Float64Array,
  shortWidth: number,
  tap: number,
  row: Span,
  column: Span,
): void {
  const { from, to, first, stride } = column;
  for (let y = row.from; y < row.to; y += 1) {
    const shortAt = y * shortWidth;
    let longAt = (row.first + (y - row.from) * row.stride) * longWidth + first;
    for (let at = shortAt + from; at < shortAt + to; at += 1) {
      long[longAt]! += tap * short[at]!;
      longAt += stride;
    }
  }
}
