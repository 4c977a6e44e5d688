/**
 * The flags that limit layers while they are trained.
 */
import type { LayerLimits } from "../index.ts";

export type LimitFlags = { readonly clipBias?: true; readonly maxNorm?: number };

/** Undefined where nothing is limited. */
export function limitsOf({ clipBias, maxNorm }: LimitFlags): LayerLimits | undefined {
  if (clipBias !== true && maxNorm === undefined) return undefined;
  return { clipBias: clipBias === true, maxNorm };
}
