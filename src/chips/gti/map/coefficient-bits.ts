/**
 * Bits of each convolution of the chip part, from what the user gives.
 */
import { usageError } from "../../../error.ts";
import type { CoefficientBits } from "../../../target/layered-target.ts";
import type { Run } from "./majors.ts";
import type { ConvUnit } from "./units.ts";

export type BitsOf = (conv: string) => CoefficientBits | undefined;

/**
 * Bits by convolution. A list fits the convolutions, or else the major layers that they make without regard to
 * bits (undefined where there are none). Throws a usage error where it fits neither, or changes inside a shortcut.
 */
export function coefficientBitsOf(
  given: CoefficientBits | readonly CoefficientBits[],
  convs: readonly ConvUnit[],
  runs: readonly Run[] | undefined,
): BitsOf {
  if (typeof given === "number") return () => given;
  const perConv = given.length === convs.length ? convs.map(({ conv }) => [conv.id]) : undefined;
  const perRun = runs?.map((run) => run.convs.map(({ conv }) => conv.id));
  const groups = perConv ?? (perRun?.length === given.length ? perRun : undefined);
  if (groups === undefined) {
    throw usageError("the list of coefficient bits does not fit the network", {
      expected: `${runs === undefined ? "" : `${runs.length} (major layers) or `}${convs.length} (convolutions)`,
      got: `${given.length}`,
      hint: "Give one number for all layers, or one for each",
    });
  }
  const bits = new Map<string, CoefficientBits | undefined>(
    groups.flatMap((ids, at) => ids.map((id) => [id, given[at]] as const)),
  );
  checkShortcuts(convs, bits);
  return (conv) => bits.get(conv);
}

function checkShortcuts(
  convs: readonly ConvUnit[],
  bits: ReadonlyMap<string, CoefficientBits | undefined>,
): void {
  convs.forEach(({ conv, shortcut }, at) => {
    const before = convs[at - 1];
    if (shortcut === undefined || before === undefined) return;
    if (bits.get(before.conv.id) === bits.get(conv.id)) return;
    throw usageError("coefficient bits change inside a shortcut", {
      node: `conv "${conv.id}"`,
      expected: `${bits.get(before.conv.id)}, as ${before.conv.id}`,
      got: `${bits.get(conv.id)}`,
    });
  });
}
