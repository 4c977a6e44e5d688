/**
 * Gradients of convolutions. `y` at row h gets `x` at row `h * stride + k * dilation - top` times the weight at row k; all
 * sums below run over these triples. How dW is summed quickly is conv-weights.ts.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { kernelExtent } from "../../ir/geometry.ts";
import type { ConvAttrs } from "../../ir/ops.ts";
import { asNchw, type Nchw } from "../../tensor/shape.ts";
import type { Backward, Tape, TrainRule } from "../tape.ts";
import { emitConv, emitTurnedConv } from "./blocked-conv.ts";
import { weightGradient } from "./conv-weights.ts";
import { emitSlice } from "./slices.ts";
import { emitTransposed, type Window } from "./transposed.ts";

/** What a convolution reads. `x` and `weight` are values of the graph: their shapes are known. */
export type ConvOperands = {
  readonly x: string;
  readonly weight: string;
  /** The weights that dX is computed with, of the same shape, where they are not `weight`: rounded ones. */
  readonly weightForInputGradient?: string;
};

export const conv: TrainRule<"conv"> = (node, tape) => {
  const [x = "", weight = "", bias] = node.inputs;
  emitConv(tape, node.attrs, { x, weight, shape: asNchw(tape.shapeOf(weight)), bias }, node.id);
  return convBackward(node.attrs, { x, weight }, tape);
};

/** The way back of `y = conv(x, weight) + bias`: dX, dW and db. */
export function convBackward(attrs: ConvAttrs, operands: ConvOperands, tape: Tape): Backward {
  return (dy, [wantsX, wantsWeight, wantsBias]) => [
    wantsX ? inputGradient(attrs, operands, dy, tape) : undefined,
    wantsWeight ? weightGradient(attrs, operands, dy, tape) : undefined,
    wantsBias ? tape.sum(dy, [0, 2, 3]) : undefined,
  ];
}

function inputGradient(attrs: ConvAttrs, operands: ConvOperands, dy: string, tape: Tape): string {
  const weight = operands.weightForInputGradient ?? operands.weight;
  const shape = asNchw(tape.shapeOf(operands.weight));
  const turned = turnedAttributes(attrs, shape);
  if (turned === undefined) {
    const [, , h, w] = asNchw(tape.shapeOf(operands.x));
    const window = { kernel: [shape[2], shape[3]], size: [h, w] } as const;
    const isMixed = shape[1] === 1 && attrs.groups > 1 && shape[0] > attrs.groups;
    return isMixed && !tape.kernels.manyOutputs
      ? everySecond(tape, dy, weight, attrs, window)
      : emitTransposed(tape, dy, weight, attrs, window);
  }
  return emitTurnedConv(tape, turned, { x: dy, weight, shape });
}

/**
 * WebGPU's transposed convolution (ONNX Runtime 1.30) is wrong where several channels of a group give one: there every
 * channel is computed twice.
 */
function everySecond(
  tape: Tape,
  dy: string,
  weight: string,
  attrs: ConvAttrs,
  window: Window,
): string {
  const twice = tape.emit("Concat", [weight, weight], { axis: int(1) });
  const both = emitTransposed(tape, dy, twice, attrs, window);
  return emitSlice(tape, both, [{ axis: 1, start: 0, end: 2 * attrs.groups, step: 2 }]);
}

/**
 * With stride 1 dX is itself a convolution of dY, which runs faster than a transposed one. Undefined where that does not
 * hold: with a stride, or with pads beyond the kernel.
 */
function turnedAttributes(attrs: ConvAttrs, [, , kh, kw]: Nchw): ConvAttrs | undefined {
  const { stride, dilation } = attrs;
  const reach = [kernelExtent(kh, dilation[0]) - 1, kernelExtent(kw, dilation[1]) - 1] as const;
  const [top, left, bottom, right] = attrs.pads;
  const pads = [reach[0] - top, reach[1] - left, reach[0] - bottom, reach[1] - right] as const;
  const fits = stride.every((step) => step === 1) && pads.every((pad) => pad >= 0);
  return fits ? { ...attrs, pads } : undefined;
}
