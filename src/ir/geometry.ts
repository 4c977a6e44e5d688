/**
 * Output sizes of sliding windows, in one place for shapes, kernels and lowering.
 */
import { inputError } from "../error.ts";
import type { Pair } from "../tensor/shape.ts";
import type { ConvAttrs, PoolAttrs } from "./ops.ts";

/** Pixels that a dilated kernel spans: `(kernel - 1) * dilation + 1`. */
export function kernelExtent(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/** Convolution output size [h, w], rounded down. Throws where the kernel is larger than the image. */
export function convOutput(input: Pair, kernel: Pair, attrs: ConvAttrs, node?: string): Pair {
  const size = (axis: 0 | 1): number => {
    const padded = input[axis] + attrs.pads[axis] + attrs.pads[axis === 0 ? 2 : 3];
    const room = padded - kernelExtent(kernel[axis], attrs.dilation[axis]);
    if (room < 0) throw tooSmall(input, kernel, node);
    return Math.floor(room / attrs.stride[axis]) + 1;
  };
  return [size(0), size(1)];
}

/** Transposed convolution: `stride * (in - 1) + extent - pads + outputPads`. */
export function deconvOutput(
  input: Pair,
  kernel: Pair,
  attrs: ConvAttrs & { readonly outputPads: Pair },
): Pair {
  const size = (axis: 0 | 1): number =>
    attrs.stride[axis] * (input[axis] - 1) +
    kernelExtent(kernel[axis], attrs.dilation[axis]) -
    attrs.pads[axis] -
    attrs.pads[axis === 0 ? 2 : 3] +
    attrs.outputPads[axis];
  return [size(0), size(1)];
}

export type PoolGeometry = {
  /** Output size [h, w]. */
  readonly output: Pair;
  /** Rows and columns that the last windows reach beyond input and pads; they never count. */
  readonly overhang: Pair;
};

/** Output size and overhang of a pooling window. */
export function poolGeometry(input: Pair, attrs: PoolAttrs, node?: string): PoolGeometry {
  const along = (axis: 0 | 1): readonly [output: number, overhang: number] => {
    const before = attrs.pads[axis];
    const padded = input[axis] + before + attrs.pads[axis === 0 ? 2 : 3];
    const extent = kernelExtent(attrs.kernel[axis], attrs.dilation[axis]);
    const steps = (padded - extent) / attrs.stride[axis];
    if (steps < 0 && !(attrs.ceil && steps > -1)) throw tooSmall(input, attrs.kernel, node);
    let count = (attrs.ceil ? Math.ceil(steps) : Math.floor(steps)) + 1;
    // A window that starts in the trailing pad sees no pixel: it is dropped.
    if (attrs.ceil && (count - 1) * attrs.stride[axis] >= input[axis] + before) count -= 1;
    return [count, Math.max(0, (count - 1) * attrs.stride[axis] + extent - padded)];
  };
  const [height, overhangRows] = along(0);
  const [width, overhangColumns] = along(1);
  return { output: [height, width], overhang: [overhangRows, overhangColumns] };
}

function tooSmall(input: Pair, kernel: Pair, node: string | undefined): Error {
  return inputError("the image is smaller than the kernel", {
    node,
    expected: `at least ${kernel.join("x")}`,
    got: input.join("x"),
    hint: "Check the input size that the network was made for",
  });
}
