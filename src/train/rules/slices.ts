/**
 * Parts of tensors, as rules cut them.
 */
import type { Tape } from "../tape.ts";

/** What is taken along one axis: `start <= i < end`, every `step`-th. */
export type Cut = {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step?: number;
};

/** The part of `x` within all cuts. Axes and bounds are not negative. */
export function emitSlice(tape: Tape, x: string, cuts: readonly Cut[]): string {
  const bounds = [
    cuts.map(({ start }) => start),
    cuts.map(({ end }) => end),
    cuts.map(({ axis }) => axis),
  ];
  if (cuts.some(({ step = 1 }) => step !== 1)) bounds.push(cuts.map(({ step = 1 }) => step));
  return tape.emit("Slice", [x, ...bounds.map((values) => tape.integers(values, "slice"))]);
}
