/**
 * Constant padding of the image axes: an attribute before opset 11, inputs since.
 */
import type { Node } from "../../ir/ops.ts";
import type { Pads } from "../../tensor/shape.ts";
import { float, ints } from "./attribute.ts";
import type { Builder } from "./builder.ts";

/** Pads rows and columns of an image; gives the name of the result. */
export function emitPad(
  builder: Builder,
  input: string,
  [top, left, bottom, right]: Pads,
  value: number,
  output?: string,
): string {
  const all = [0, 0, top, left, 0, 0, bottom, right];
  if (builder.opset < 11) {
    return builder.emit("Pad", [input], { pads: ints(all), value: float(value) }, output);
  }
  const base = output ?? input;
  const inputs = [input, builder.integers(all, `${base}/pads`)];
  if (value !== 0) inputs.push(builder.scalar(value, `${base}/value`));
  return builder.emit("Pad", inputs, {}, output);
}

export function lowerPad(node: Node<"pad">, builder: Builder): void {
  emitPad(builder, node.inputs[0] ?? "", node.attrs.pads, node.attrs.value, node.id);
}
