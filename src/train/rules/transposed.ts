/**
 * The transposed convolution that goes back from a sliding window's output to its input, of exactly the input's size.
 */
import { int, ints } from "../../formats/onnx/attribute.ts";
import { kernelExtent } from "../../ir/geometry.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import type { Pair } from "../../tensor/shape.ts";
import type { Tape } from "../tape.ts";

/** The window's kernel and the input's size, [h, w] each. */
export type Window = { readonly kernel: Pair; readonly size: Pair };

/** `weight` is [out, in/groups, kh, kw]; rows and columns of the input behind the last window get zeros. */
export function emitTransposed(
  tape: Tape,
  dy: string,
  weight: string,
  { stride, dilation, pads, groups }: ConvAttrs,
  { kernel, size }: Window,
): string {
  // What no window reaches is taken from the trailing pad first; the rest of it is added behind.
  const unused = ([0, 1] as const).map((axis) => {
    const padded = size[axis] + pads[axis] + pads[axis === 0 ? 2 : 3];
    return (padded - kernelExtent(kernel[axis], dilation[axis])) % stride[axis];
  });
  const trailing = unused.map((rows, axis) => (pads[axis + 2] ?? 0) - rows);
  const added = trailing.map((pad) => Math.max(-pad, 0));
  return tape.emit("ConvTranspose", [dy, weight], {
    kernel_shape: ints(kernel),
    strides: ints(stride),
    pads: ints([pads[0], pads[1], ...trailing.map((pad) => Math.max(pad, 0))]),
    dilations: ints(dilation),
    group: int(groups),
    output_padding: added.some((pad) => pad > 0) ? ints(added) : undefined,
  });
}
