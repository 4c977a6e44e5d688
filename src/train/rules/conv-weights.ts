/**
 * Gradients of a convolution's weights: sums over pictures and places of products of x and dY. They are written as
 * convolutions whose channels are the pictures, so that ONNX Runtime sums them as it sums any convolution.
 */
import { int, ints } from "../../formats/onnx/attribute.ts";
import { emitPad } from "../../formats/onnx/lower-pad.ts";
import { convOutput } from "../../ir/geometry.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { asNchw, type Nchw, type Pair } from "../../tensor/shape.ts";
import type { Tape } from "../tape.ts";
import { emitSlice } from "./slices.ts";

/** A convolution's geometry and the values that dW is made of. */
type Sum = {
  readonly attrs: ConvAttrs;
  readonly x: string;
  readonly dy: string;
  readonly input: Nchw;
  /** [out, in/groups, kh, kw]. */
  readonly weight: Nchw;
  readonly output: Pair;
};

/** dW, of the weights' shape. */
export function weightGradient(
  attrs: ConvAttrs,
  { x, weight }: { readonly x: string; readonly weight: string },
  dy: string,
  tape: Tape,
): string {
  const [input, kernel] = [asNchw(tape.shapeOf(x)), asNchw(tape.shapeOf(weight))];
  const [, , h, w] = input;
  const output = convOutput([h, w], [kernel[2], kernel[3]], attrs);
  const sum: Sum = { attrs, x, dy, input, weight: kernel, output };
  return wayOf(sum)(sum, tape);
}

/** Fewer channels than this fill no vector. */
const fewChannels = 16;
/** Taps of a kernel that are summed one by one. */
const maxTaps = 32;

/** The fastest of the ways that take the geometry, by measurement on two cores. */
function wayOf({ attrs, input, weight, output }: Sum): (sum: Sum, tape: Tape) => string {
  const { groups, stride, dilation, pads } = attrs;
  const [out, inner, kh, kw] = weight;
  if (groups > 1) {
    const byChannel = inner === 1 && out === groups && stride.every((step) => step === 1);
    return byChannel && kh * kw <= maxTaps ? byTaps : byGroups;
  }
  if (kh * kw === 1) return byColumns;
  const plain = [...stride, ...dilation].every((step) => step === 1);
  // Otherwise the pads of the sum would be negative.
  const within = Math.max(pads[1], pads[3]) < kw;
  const keepsRows = plain && within && output[0] === input[2];
  if (keepsRows && Math.min(inner, out) >= fewChannels) return byRows;
  return inner < fewChannels && kh * kw <= maxTaps ? byColumns : byGroups;
}

/** What every tap of the kernel reads, in the order of the taps: [n, in, output rows, output columns] each. */
function tapsOf({ attrs, x, input, weight, output }: Sum, tape: Tape): readonly string[] {
  const { stride, dilation, pads } = attrs;
  const [, , kh, kw] = weight;
  const padded = pads.some((pad) => pad > 0) ? emitPad(tape, x, pads, 0) : x;
  const size = [input[2] + pads[0] + pads[2], input[3] + pads[1] + pads[3]];
  return Array.from({ length: kh * kw }, (_, tap) => {
    const cuts = [Math.floor(tap / kw) * dilation[0], (tap % kw) * dilation[1]].map(
      (start, at) => ({
        axis: 2 + at,
        start,
        end: start + ((output[at] ?? 1) - 1) * (stride[at] ?? 1) + 1,
        step: stride[at] ?? 1,
      }),
    );
    const whole = cuts.every(
      ({ start, end, step }, at) => start === 0 && end === size[at] && step === 1,
    );
    return whole ? padded : emitSlice(tape, padded, cuts);
  });
}

/** Depthwise: a product with dY for every tap, summed over pictures and places. */
function byTaps(sum: Sum, tape: Tape): string {
  const [out, inner, kh, kw] = sum.weight;
  const sums = tapsOf(sum, tape).map((part) =>
    tape.reshape(tape.sum(tape.mul(part, sum.dy), [0, 2, 3]), [out, 1]),
  );
  const all = sums.length === 1 ? (sums[0] ?? "") : tape.emit("Concat", sums, { axis: int(1) });
  return tape.reshape(all, [out, inner, kh, kw]);
}

/** Few channels, or one pixel: `dY * columns^T`, where a column holds what one place of the output reads. */
function byColumns(sum: Sum, tape: Tape): string {
  const { dy, input, weight, output } = sum;
  const [n] = input;
  const [out, inputs, kh, kw] = weight;
  const [rows, places] = [kh * kw * inputs, output[0] * output[1]];
  const taps = tapsOf(sum, tape);
  const columns = taps.length === 1 ? (taps[0] ?? "") : tape.emit("Concat", taps, { axis: int(1) });
  // By pictures, and their products summed, unless these are larger than what all pictures in one row take.
  const apart = out * rows < (places * (out + rows)) / 2;
  const product = apart
    ? tape.sum(
        tape.emit("MatMul", [
          tape.reshape(dy, [n, out, places]),
          tape.transpose(tape.reshape(columns, [n, rows, places]), [0, 2, 1]),
        ]),
        [0],
      )
    : tape.emit("Gemm", [inOneRow(dy, out), inOneRow(columns, rows)], { transB: int(1) });
  const split = tape.reshape(product, [out, kh * kw, inputs]);
  return tape.reshape(tape.transpose(split, [0, 2, 1]), [out, inputs, kh, kw]);

  function inOneRow(value: string, channels: number): string {
    const turned = tape.transpose(tape.reshape(value, [n, channels, places]), [1, 0, 2]);
    return tape.reshape(turned, [channels, n * places]);
  }
}

/**
 * Any geometry: x as [in/groups pictures, groups * n channels] under the kernel dY [out, n], spread by the stride; places
 * of its output are `dilation` apart. Each output [kh, kw] is dW; rows beyond the kernel, where x has unused ones, are cut.
 */
function byGroups({ attrs, x, dy, input, weight, output }: Sum, tape: Tape): string {
  const { groups, stride, dilation, pads } = attrs;
  const [n, , h, w] = input;
  const [, inner, kh, kw] = weight;
  const split = tape.reshape(x, [n, groups, inner, h, w]);
  const images = tape.reshape(tape.transpose(split, [2, 1, 0, 3, 4]), [inner, groups * n, h, w]);
  const sums = tape.emit("Conv", [images, tape.transpose(dy, [1, 0, 2, 3])], {
    kernel_shape: ints(output),
    strides: ints(dilation),
    dilations: ints(stride),
    pads: ints(pads),
    group: int(groups),
  });
  const cut = emitSlice(tape, sums, [
    { axis: 2, start: 0, end: kh },
    { axis: 3, start: 0, end: kw },
  ]);
  return tape.transpose(cut, [1, 0, 2, 3]);
}

/**
 * Stride and dilation 1, as many rows out as in. The channels of one tensor are the rows of one tall picture, [1, n,
 * channels * h, w], over which the other slides in steps of h: one pass sums all channels, and nothing of it is copied.
 * The other, the kernel, stands kh times below itself, each time moved by a row. It is the one with fewer channels.
 */
function byRows(sum: Sum, tape: Tape): string {
  const { x, dy, input, weight } = sum;
  const [out, inputs, kh, kw] = weight;
  const [n, , h] = input;
  const [top, left, , right] = sum.attrs.pads;
  const ofOutput = out < inputs;
  const [small, smallChannels, smallWidth] = ofOutput
    ? [dy, out, sum.output[1]]
    : [x, inputs, input[3]];
  const [large, largeChannels, largeWidth] = ofOutput
    ? [x, inputs, input[3]]
    : [dy, out, sum.output[1]];
  const images = tape.transpose(small, [1, 0, 2, 3]);
  const moved = Array.from({ length: kh }, (_, k) => {
    // Row h of y meets row h + down of x.
    const down = k - top;
    return movedDown(tape, images, ofOutput ? down : -down, h);
  });
  const kernel = kh === 1 ? (moved[0] ?? images) : tape.emit("Concat", moved, { axis: int(0) });
  const tall = tape.reshape(large, [1, n, largeChannels * h, largeWidth]);
  const places = tape.emit("Conv", [tall, kernel], {
    kernel_shape: ints([h, smallWidth]),
    strides: ints([h, 1]),
    pads: ints([0, ofOutput ? left : kw - 1 - left, 0, ofOutput ? right : kw - 1 - right]),
  });
  const split = tape.reshape(places, [kh, smallChannels, largeChannels, kw]);
  if (ofOutput) return tape.transpose(split, [1, 2, 0, 3]);
  // Columns of dY that move to the right meet columns of x that move to the left.
  const turned = tape.emit("Slice", [
    split,
    ...[[-1], [-kw - 1], [3], [-1]].map((values) => tape.integers(values, "turn")),
  ]);
  return tape.transpose(turned, [2, 1, 0, 3]);
}

/** The rows of [.., h, w] moved down (up where negative), zeros behind them. */
function movedDown(tape: Tape, x: string, rows: number, h: number): string {
  if (rows === 0) return x;
  const by = Math.max(-h, Math.min(h, rows));
  return emitPad(tape, x, [by, 0, -by, 0], 0);
}
