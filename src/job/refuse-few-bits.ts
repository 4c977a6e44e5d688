/** What weights of 1 to 5 bits cannot take part in. */
import { usageError } from "../error.ts";
import type { CoefficientBits } from "../target/layered-target.ts";

/** Throws a usage error with this message where a layer has less than 8 bits. */
export function refuseFewBits(
  convolutions: readonly { readonly conv: string; readonly bits: CoefficientBits }[],
  message: string,
  expected?: string,
): void {
  const few = convolutions.find(({ bits }) => bits < 8);
  if (few === undefined) return;
  throw usageError(message, {
    node: `conv "${few.conv}"`,
    expected,
    got: `${few.bits}`,
    hint: "Weights of few bits win more by training: inlay finetune",
  });
}
