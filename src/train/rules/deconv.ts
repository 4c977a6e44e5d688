/**
 * Gradients of transposed convolutions. `y` at row `h * stride + k * dilation - top` gets `x` at row h times the weight
 * at row k; all sums below run over these triples.
 */
import { int, ints } from "../../formats/onnx/attribute.ts";
import { lowerDeconv } from "../../formats/onnx/lower-conv.ts";
import type { ConvAttrs, Node } from "../../ir/ops.ts";
import { asNchw, type Pair } from "../../tensor/shape.ts";
import type { Tape, TrainRule } from "../tape.ts";
import { emitSlice } from "./slices.ts";

export const deconv: TrainRule<"deconv"> = (node, tape) => {
  lowerDeconv(node, tape);
  const [, weight = ""] = node.inputs;
  return (dy, [wantsX, wantsWeight, wantsBias]) => {
    const reached = wantsX || wantsWeight ? reachedPart(node, tape, dy) : undefined;
    return [
      wantsX && reached ? convolved(tape, reached.dy, weight, reached.attrs) : undefined,
      wantsWeight && reached ? weightGradient(node, tape, reached) : undefined,
      wantsBias ? tape.sum(dy, [0, 2, 3]) : undefined,
    ];
  };
};

/** The rows and columns [h, w] of dy that weights reach, and the convolution that goes back from them to x exactly. */
type Reached = { readonly dy: string; readonly size: Pair; readonly attrs: ConvAttrs };

/** Rows added by `outputPads` beyond the trailing pad hold nothing but the bias: they are cut off. */
function reachedPart(node: Node<"deconv">, tape: Tape, dy: string): Reached {
  const { outputPads, ...attrs } = node.attrs;
  const [top, left, bottom, right] = attrs.pads;
  const [below, beside] = [bottom - outputPads[0], right - outputPads[1]];
  const [, , h, w] = asNchw(tape.shapeOf(node.id));
  const size: Pair = [h + Math.min(below, 0), w + Math.min(beside, 0)];
  const cuts = [
    { axis: 2, start: 0, end: size[0] },
    { axis: 3, start: 0, end: size[1] },
  ];
  return {
    dy: below < 0 || beside < 0 ? emitSlice(tape, dy, cuts) : dy,
    size,
    attrs: { ...attrs, pads: [top, left, Math.max(below, 0), Math.max(beside, 0)] },
  };
}

function convolved(tape: Tape, x: string, weight: string, attrs: ConvAttrs): string {
  return tape.emit("Conv", [x, weight], {
    strides: ints(attrs.stride),
    pads: ints(attrs.pads),
    dilations: ints(attrs.dilation),
    group: int(attrs.groups),
  });
}

/**
 * `dw` correlates the two images: a convolution of dy by x in which the pictures are the channels that are summed, x is
 * the kernel (spread by the stride), and places are `dilation` apart.
 */
function weightGradient(node: Node<"deconv">, tape: Tape, { dy, size, attrs }: Reached): string {
  const { groups, stride, dilation, pads } = attrs;
  const [x = "", weight = ""] = node.inputs;
  const [n] = asNchw(tape.shapeOf(x));
  const [, outputs] = asNchw(tape.shapeOf(weight));
  const split = tape.reshape(dy, [n, groups, outputs, ...size]);
  const images = tape.transpose(split, [2, 1, 0, 3, 4]);
  const sum = convolved(
    tape,
    tape.reshape(images, [outputs, groups * n, ...size]),
    tape.transpose(x, [1, 0, 2, 3]),
    { groups, pads, stride: dilation, dilation: stride },
  );
  return tape.transpose(sum, [1, 0, 2, 3]);
}
