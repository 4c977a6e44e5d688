/** How the weights of a chip's layers can be rounded after training. */
import { usageError } from "../error.ts";
import type { CoefficientBits } from "../target/layered-target.ts";
import { refuseFewBits } from "./refuse-few-bits.ts";

/** Each so that it makes good what others lost (quantize/compensated-rounding.ts), or each to the nearest. */
export type WeightRounding = (typeof weightRoundings)[number];

export const weightRoundings = ["compensated", "nearest"] as const;

/** How a layer is rounded where nothing is asked. With 12 bits there is next to nothing to make good. */
export function roundingOf(
  asked: WeightRounding | undefined,
  bits: CoefficientBits,
): WeightRounding {
  return asked ?? (bits === 8 ? "compensated" : "nearest");
}

/**
 * Throws a usage error where weights cannot be compensated: of few bits, whose levels are the kernel's own and no grid, or
 * where layers are not corrected, which is what it is a part of.
 */
export function checkRounding(
  asked: WeightRounding | undefined,
  convolutions: readonly { readonly conv: string; readonly bits: CoefficientBits }[],
  isCorrected: boolean,
): void {
  if (asked !== "compensated") return;
  refuseFewBits(
    convolutions,
    "weights of few bits cannot make good each other's errors",
    "8 or 12 bits, or rounding to the nearest",
  );
  if (isCorrected) return;
  throw usageError("compensated rounding is a part of the bias correction, which is left out", {
    expected: "rounding to the nearest, or bias correction",
  });
}
