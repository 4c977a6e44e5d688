/**
 * The GTI kit's words for the rounding of a convolution's coefficients, and ours.
 */
import type { Ops } from "../../ir/ops.ts";
import type { caffeEnums } from "./schema/enums.ts";

export type PrecisionWord = keyof typeof caffeEnums.CoefPrecision;
type Precision = Ops["quantConv"]["precision"];

export const precisionWords: Readonly<Record<Precision, PrecisionWord>> = {
  float: "FLOATING_POINT",
  dynamic: "DYNAMIC_FIXED_POINT",
  oneBit: "ONE_BIT",
  twoBits: "TWO_BITS",
  threeBits: "THREE_BITS",
  fiveBits: "FIVE_BITS",
};

const precisions: ReadonlyMap<string, Precision> = new Map(
  (Object.entries(precisionWords) as [Precision, PrecisionWord][]).map(([ours, word]) => [
    word,
    ours,
  ]),
);

/** Undefined for a number that the schema has no word for. */
export function precisionOf(word: PrecisionWord | number): Precision | undefined {
  return precisions.get(`${word}`);
}
