/**
 * A target is data: the integers that it computes with, and the operators that it has. Shared code
 * asks these fields and never the target's name.
 */
import type { NumberFormat } from "../fixed/number-format.ts";
import type { Op } from "../ir/ops.ts";

export type Target = {
  /** Integers between a quantize and a dequantize, as ONNX has them. */
  readonly form: "qdq";
  /** As `--target` names it. */
  readonly name: string;
  readonly description: string;
  readonly weights: NumberFormat;
  /** What activations may be; the user chooses between them. */
  readonly activations: { readonly unsigned: NumberFormat; readonly signed: NumberFormat };
  readonly bias: NumberFormat;
  /** Width of the signed accumulator. */
  readonly accumulatorBits: number;
  /** Operators with an integer form; all others stay in float. */
  readonly integerOperators: ReadonlySet<Op>;
};

/** Signed bits that hold every integer in `min..max`. `-128..127 -> 8, 0..255 -> 9`. */
export function signedBits(min: number, max: number): number {
  const magnitude = Math.max(max + 1, -min, 1);
  return Math.ceil(Math.log2(magnitude)) + 1;
}
