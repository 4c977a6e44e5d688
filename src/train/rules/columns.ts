/**
 * Operands that stand along some axes of a value, as a slope per channel does: how they are broadcast, and how a
 * gradient is summed for them.
 */
import { elementCount, type Shape } from "../../tensor/shape.ts";
import type { Tape } from "../tape.ts";

/** An operand of shape [c, ...] whose axes lie along those from `axis` on. */
export type Column = { readonly id: string; readonly axis: number };

/** The operand with ones behind it, so that it broadcasts against a value of `rank` axes. */
export function columnOf(tape: Tape, { id, axis }: Column, rank: number): string {
  const shape = tape.shapeOf(id);
  const trailing = rank - axis - shape.length;
  if (shape.length === 0 || trailing <= 0) return id;
  return tape.reshape(id, [...shape, ...new Array<number>(trailing).fill(1)]);
}

/** Sums `dy`, of shape `from`, over all axes that the operand does not have. */
export function sumToColumn(tape: Tape, dy: string, from: Shape, { id, axis }: Column): string {
  const { length } = tape.shapeOf(id);
  const axes = from.flatMap((_, at) => (at >= axis && at < axis + length ? [] : [at]));
  // Without axes ONNX would sum over all of them.
  return axes.length === 0 ? dy : tape.sum(dy, axes);
}

/** An operand [c] along axis 1, or a single number of whatever shape for all: as it broadcasts against `rank` axes. */
export function channelsOf(tape: Tape, id: string, rank: number): string {
  return isSingle(tape, id) ? tape.reshape(id, []) : columnOf(tape, { id, axis: 1 }, rank);
}

/** `dy`, of shape `from`, summed for such an operand, in the operand's shape. */
export function sumToChannels(tape: Tape, dy: string, from: Shape, id: string): string {
  if (!isSingle(tape, id)) return sumToColumn(tape, dy, from, { id, axis: 1 });
  const axes = from.map((_, at) => at);
  return tape.reshape(tape.sum(dy, axes), tape.shapeOf(id));
}

function isSingle(tape: Tape, id: string): boolean {
  return elementCount(tape.shapeOf(id)) === 1;
}
