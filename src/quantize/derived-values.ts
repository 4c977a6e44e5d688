/**
 * Values whose statistics follow from those of others, so that they need no taps: a concatenation
 * holds just what its inputs hold, a reshape what it is given.
 */
import type { Graph } from "../ir/graph.ts";
import type { Op } from "../ir/ops.ts";
import type { Wanted } from "./observe.ts";
import { mergeStatistics, type Statistics } from "./observers/statistics.ts";

const keepsEveryValue: ReadonlySet<Op> = new Set<Op>(["concat", "flatten", "reshape", "transpose"]);

/** The inputs of each derived value, in the graph's order. Values whose means are wanted are observed. */
export function derivedValues(
  graph: Graph,
  wanted: ReadonlyMap<string, Wanted>,
): ReadonlyMap<string, readonly string[]> {
  const derived = new Map<string, readonly string[]>();
  for (const { op, id, inputs } of graph.nodes) {
    const known = inputs.length > 0 && inputs.every((input) => wanted.get(input)?.range === true);
    if (keepsEveryValue.has(op) && known && wanted.get(id)?.mean === false) derived.set(id, inputs);
  }
  return derived;
}

/** The statistics of all inputs together; undefined where one is not known. */
export function derivedStatistics(
  inputs: readonly string[],
  known: ReadonlyMap<string, { readonly statistics: Statistics }>,
): Statistics | undefined {
  const parts = inputs.map((id) => known.get(id)?.statistics);
  return parts.reduce((a, b) => a && b && mergeStatistics(a, b));
}
