/**
 * Convolutions in ONNX Runtime's own layout, which keeps a block of channels together ([n, c / block, h, w, block]) and
 * is half again as fast. The runtime takes it by itself for constant weights; those of training are computed, so its
 * operators are written here, weights in their order included. Where the layout does not fit, a plain Conv.
 */
import { type Attributes, encodeAttributes, int, ints } from "../../formats/onnx/attribute.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import type { Nchw } from "../../tensor/shape.ts";
import type { Tape } from "../tape.ts";

/** Domain of the layout's operators. */
export const blockedDomain = "com.microsoft.nchwc";

export type Convolved = {
  readonly x: string;
  /** Name of the weights, and their shape [out, in/groups, kh, kw]. */
  readonly weight: string;
  readonly shape: Nchw;
  readonly bias?: string | undefined;
};

/** `conv(x, weight) + bias`. */
export function emitConv(
  tape: Tape,
  attrs: ConvAttrs,
  { x, weight, shape, bias }: Convolved,
  output?: string,
): string {
  const order = orderOf(tape.kernels.channelBlock, shape, attrs.groups);
  const inputs = bias === undefined ? [] : [bias];
  const attributes = attributesOf(attrs, shape);
  if (order === undefined) {
    return tape.emit("Conv", [x, weight, ...inputs], attributes, output);
  }
  const kernel = order === "full" ? byBoth(tape, weight, shape) : byOutputs(tape, weight, shape);
  return emitOrdered(tape, order, [x, kernel, ...inputs], { attributes, out: shape[0], output });
}

/**
 * The convolution with the weights turned by half a circle and inputs and outputs swapped. `weight` and `shape` are the
 * weights before that, [out, in/groups, kh, kw]; x has `out` channels, the result `in`.
 */
export function emitTurnedConv(
  tape: Tape,
  attrs: ConvAttrs,
  { x, weight, shape }: Convolved,
): string {
  const { groups } = attrs;
  const [out, inner, kh, kw] = shape;
  const turned: Nchw = [groups * inner, out / groups, kh, kw];
  const order = orderOf(tape.kernels.channelBlock, turned, groups);
  const attributes = attributesOf(attrs, turned);
  if (order === undefined || order === "picture") {
    const kernel = turnedWeight(tape, weight, shape, groups);
    return tape.emit("Conv", [x, kernel], attributes);
  }
  const kernel =
    order === "full"
      ? turnedByBoth(tape, weight, shape, groups)
      : reversed(
          tape,
          byOutputs(tape, weight, shape),
          [out / tape.kernels.channelBlock, tape.kernels.channelBlock],
          shape,
        );
  return emitOrdered(tape, order, [x, kernel], { attributes, out: turned[0] });
}

function attributesOf({ stride, pads, dilation, groups }: ConvAttrs, shape: Nchw): Attributes {
  return {
    kernel_shape: ints([shape[2], shape[3]]),
    strides: ints(stride),
    pads: ints(pads),
    dilations: ints(dilation),
    group: int(groups),
  };
}

type Ordered = {
  readonly attributes: Attributes;
  /** Channels of the result. */
  readonly out: number;
  readonly output?: string | undefined;
};

/** From a plain value through the layout to a plain value; the kernel is in the layout's order. */
function emitOrdered(
  tape: Tape,
  order: Order,
  [x = "", ...others]: readonly string[],
  { attributes, out, output }: Ordered,
): string {
  const source = order === "picture" ? x : emitBlocked(tape, "ReorderInput", [x], {});
  const y = emitBlocked(tape, "Conv", [source, ...others], attributes);
  return emitBlocked(tape, "ReorderOutput", [y], { channels: int(out) }, output);
}

/**
 * How the layout takes a convolution: with blocks of inputs and outputs; channel by channel; from a plain picture of few
 * channels.
 */
type Order = "full" | "depthwise" | "picture";

/** Undefined where the layout does not take it. */
function orderOf(block: number, [out, inner]: Nchw, groups: number): Order | undefined {
  if (block === 0 || out % block !== 0) return undefined;
  if (inner % block === 0 && (out / groups) % block === 0) return "full";
  if (inner === 1 && out === groups) return "depthwise";
  return groups === 1 && inner < block ? "picture" : undefined;
}

/** Weights as [out / block, in / block, kh, kw, block of inputs, block of outputs], under their own shape. */
function byBoth(tape: Tape, weight: string, shape: Nchw): string {
  const [out, inner, kh, kw] = shape;
  const block = tape.kernels.channelBlock;
  // Blocks of outputs first, as if the inputs were rows: the runtime has a fast way for that.
  const rows = tape.reshape(weight, [1, out, inner, kh * kw]);
  const outer = emitBlocked(tape, "ReorderInput", [rows], {});
  const split = tape.reshape(outer, [(out * inner) / block ** 2, block, kh * kw, block]);
  return tape.reshape(tape.transpose(split, [0, 2, 1, 3]), shape);
}

/** Weights as [out / block, in, kh, kw, block of outputs], under their own shape. */
function byOutputs(tape: Tape, weight: string, shape: Nchw): string {
  const [out, inner, kh, kw] = shape;
  const rows = tape.reshape(weight, [1, out, inner, kh * kw]);
  return tape.reshape(emitBlocked(tape, "ReorderInput", [rows], {}), shape);
}

/** The turned weights as [in / block, out / block, kh, kw, block of outputs, block of inputs], under their own shape. */
function turnedByBoth(tape: Tape, weight: string, shape: Nchw, groups: number): string {
  const [out, inner, kh, kw] = shape;
  const block = tape.kernels.channelBlock;
  const outer = out / groups;
  const rows = tape.reshape(weight, [out, inner, kh * kw, 1]);
  const split = tape.reshape(emitBlocked(tape, "ReorderInput", [rows], {}), [
    ...[groups, outer / block, block],
    ...[inner / block, kh * kw, block],
  ]);
  const swapped = tape.transpose(split, [0, 3, 1, 4, 2, 5]);
  const blocks = [(groups * inner * outer) / block ** 2, block ** 2] as const;
  return reversed(tape, swapped, blocks, [groups * inner, outer, kh, kw]);
}

/** The taps of a kernel [first, kh * kw, last] in reverse, under `shape`. */
function reversed(
  tape: Tape,
  kernel: string,
  [first, last]: readonly [number, number],
  shape: Nchw,
): string {
  const taps = shape[2] * shape[3];
  if (taps === 1) return tape.reshape(kernel, shape);
  const order = Array.from({ length: taps }, (_, tap) => taps - 1 - tap);
  const split = tape.reshape(kernel, [first, taps, last]);
  const turned = tape.emit("Gather", [split, tape.integers(order, "turn")], { axis: int(1) });
  return tape.reshape(turned, shape);
}

/** The turned weights [in, out/groups, kh, kw] as they are. */
function turnedWeight(
  tape: Tape,
  weight: string,
  [out, inner, kh, kw]: Nchw,
  groups: number,
): string {
  const outer = out / groups;
  const split = tape.reshape(weight, [groups, outer, inner, kh, kw]);
  const swapped = outer === 1 || inner === 1 ? split : tape.transpose(split, [0, 2, 1, 3, 4]);
  const turned = tape.reshape(swapped, [groups * inner, outer, kh, kw]);
  if (kh * kw === 1) return turned;
  const bounds = [
    [-1, -1],
    [-kh - 1, -kw - 1],
    [2, 3],
    [-1, -1],
  ];
  return tape.emit("Slice", [turned, ...bounds.map((values) => tape.integers(values, "turn"))]);
}

function emitBlocked(
  tape: Tape,
  operator: string,
  input: readonly string[],
  attributes: Attributes,
  output: string = tape.fresh(operator),
): string {
  tape.emitNode({
    name: output,
    domain: blockedDomain,
    op_type: operator,
    input,
    output: [output],
    attribute: encodeAttributes(attributes),
  });
  return output;
}
