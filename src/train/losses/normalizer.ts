/**
 * By what the sum of a loss over its places is divided, as Caffe has it: never by less than 1.
 */
import { int } from "../../formats/onnx/attribute.ts";
import { elementCode } from "../../formats/onnx/element-types.ts";
import type { LossNormalization } from "../../ir/training.ts";
import type { Tape } from "../tape.ts";
import { scaled, total } from "./loss-rule.ts";

/** How many places a loss has: samples, places of each, and how many of all are not ignored. */
export type Places = { readonly samples: number; readonly inner: number; readonly valid: number };

/** The divisor. Of `valid` and `full` that is all places where nothing is ignored. */
export function divisorOf(normalization: LossNormalization, places: Places): number {
  const counts = {
    full: places.samples * places.inner,
    valid: places.valid,
    batchSize: places.samples,
    none: 1,
  };
  return Math.max(1, counts[normalization]);
}

/** A divisor in a model: a number, or the name of a scalar that depends on the labels. */
export type Divisor = number | string;

/** Writes the divisor. `ignored` names the places that are ignored (bool, of `rank` axes), undefined where none is. */
export function emitDivisor(
  normalization: LossNormalization,
  places: Places,
  ignored: { readonly name: string; readonly rank: number } | undefined,
  tape: Tape,
): Divisor {
  if (ignored === undefined || normalization !== "valid") return divisorOf(normalization, places);
  const count = total(tape, float(tape, tape.emit("Not", [ignored.name])), ignored.rank);
  return tape.emit("Max", [count, tape.number(1)]);
}

/** A bool value as 0 and 1. */
export function float(tape: Tape, mask: string): string {
  return tape.emit("Cast", [mask], { to: int(elementCode("float32")) });
}

/** Writes `x / divisor`. */
export function divided(tape: Tape, x: string, divisor: Divisor): string {
  if (divisor === 1) return x;
  return tape.div(x, typeof divisor === "number" ? tape.number(divisor) : divisor);
}

/** Writes `x * weight / divisor * scale`. */
export function weighted(
  tape: Tape,
  x: string,
  [weight, divisor]: readonly [number, Divisor],
  scale: string | undefined,
): string {
  if (typeof divisor === "number") return scaled(tape, x, weight / divisor, scale);
  const share = tape.div(tape.number(weight), divisor);
  return tape.mul(x, scale === undefined ? share : tape.mul(share, scale));
}
