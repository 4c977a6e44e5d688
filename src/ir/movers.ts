/**
 * Operators that only move values, or choose among them: on one grid they work on integers as they
 * do on reals.
 */
import type { Op } from "./ops.ts";

export const movers: ReadonlySet<Op> = new Set<Op>([
  "maxPool",
  "globalMaxPool",
  "concat",
  "slice",
  "flatten",
  "reshape",
  "transpose",
]);
