/**
 * What the accumulators of a chip that shifts must hold: the worst sums of each shiftConv of an integer graph, from
 * its real weights and the integers that can reach it.
 */
import { type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import type { Interval } from "./exact-planes.ts";
import { integerRanges } from "./integer-ranges.ts";
import { accumulatorRange, shiftLayer, sumBounds } from "./shift-layer.ts";

/** Of any double that is an exact integer. */
const maxBits = 54;

export type AccumulatorNeed = {
  /** Id of the shiftConv. */
  readonly id: string;
  /**
   * The totals, bias and identity included; over all output channels. Without an identity both ends are reached by
   * some input. In units of the layer's grid, `2^-shift`, or of the identity's where that is finer.
   */
  readonly total: Interval;
  /** Every partial sum, in any order, lies within; 0 (the start) too. */
  readonly partial: Interval;
  /** Signed bits that hold every total, and every partial sum. */
  readonly totalBits: number;
  readonly partialBits: number;
};

/**
 * One entry per shiftConv, in the graph's order; none for layers whose input range is not known.
 *
 * A layer of one weight 3 and bias -4 on inputs 0..31 has totals -4..89, partial sums -4..93, and needs 8 bits for both.
 */
export function accumulatorNeeds(graph: Graph): readonly AccumulatorNeed[] {
  const nodes = nodeMap(graph);
  const ranges = integerRanges(graph);
  return nodesOf(graph, "shiftConv").flatMap((node) => {
    const [x, identity] = [0, 3].map((at) => ranges.get(node.inputs[at] ?? ""));
    if (x === undefined || (node.inputs.length > 3 && identity === undefined)) return [];
    const layer = shiftLayer(node, nodes);
    const bounds = sumBounds(layer, x, identity ?? { lo: 0, hi: 0 });
    const total = { lo: bounds.min, hi: bounds.max };
    const partial = { lo: bounds.partialMin, hi: bounds.partialMax };
    return [
      {
        id: node.id,
        total,
        partial,
        totalBits: signedBits(total),
        partialBits: signedBits(partial),
      },
    ];
  });
}

/** Signed bits that hold every integer of the range: `-128..127 -> 8, 0..128 -> 9, 0..0 -> 1`. */
function signedBits({ lo, hi }: Interval): number {
  let bits = 1;
  // Not a logarithm, which rounds: 2^50 + 1 would need as many bits as 2^50.
  while (bits < maxBits && (lo < accumulatorRange(bits).lo || hi > accumulatorRange(bits).hi)) {
    bits += 1;
  }
  return bits;
}

/**
 * Whether an accumulator of `bits` bits can overflow: in its total, or on the way to it. A way that overflows harms
 * only where the accumulator saturates; one that wraps is right again in the end.
 */
export function mayOverflow(
  need: AccumulatorNeed,
  bits: number,
): { readonly total: boolean; readonly partial: boolean } {
  return { total: need.totalBits > bits, partial: need.partialBits > bits };
}
