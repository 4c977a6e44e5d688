/**
 * A shiftConv's integers, read out of its graph onto one grid, and what its sums can come to. Not here: how they
 * are computed.
 */
import { workError } from "../error.ts";
import { type AccumulatorBound, accumulatorBound } from "../fixed/accumulator.ts";
import { constantOf, describe } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { asNchw, type Nchw } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Interval } from "./exact-planes.ts";

/**
 * `sum(x * weight) + bias + identity * identityFactor`, then a shift. All are integers: where the identity lies on a
 * finer grid than the layer, everything is taken on that one, so the shift may exceed the node's.
 */
export type ShiftLayer = {
  /** `[out, in/groups, kh, kw]`. */
  readonly shape: Nchw;
  readonly weight: Float64Array;
  readonly bias: Float64Array;
  readonly shift: number;
  /** A power of two; 0 where nothing is added. */
  readonly identityFactor: number;
};

/** Reads the constants. Throws where weights or bias are computed. */
export function shiftLayer(node: Node<"shiftConv">, nodes: ReadonlyMap<string, Node>): ShiftLayer {
  const { shift, identityShift } = node.attrs;
  const added = node.inputs.length > 3;
  const finer = added ? Math.max(0, -identityShift) : 0;
  const [weight, bias] = [constantInput(node, nodes, 1), constantInput(node, nodes, 2)];
  return {
    shape: asNchw(weight.shape, describe(node)),
    weight: scaled(weight, 2 ** finer),
    bias: scaled(bias, 2 ** finer),
    shift: shift + finer,
    identityFactor: added ? 2 ** (identityShift + finer) : 0,
  };
}

/** The values times the factor. A plain loop: layers have millions of weights. */
function scaled({ data }: Tensor, factor: number): Float64Array {
  const values = new Float64Array(data.length);
  for (let at = 0; at < values.length; at += 1) values[at] = Number(data[at]) * factor;
  return values;
}

function constantInput(
  node: Node<"shiftConv">,
  nodes: ReadonlyMap<string, Node>,
  at: number,
): Tensor {
  const value = constantOf(nodes.get(node.inputs[at] ?? ""));
  if (value !== undefined) return value;
  throw workError(`input ${at} is no constant`, {
    node: describe(node),
    hint: "Fold constants before the layers become integers",
  });
}

/** The range with 0 in it: padding reads as 0. */
export function withZero({ lo, hi }: Interval): Interval {
  return { lo: Math.min(lo, 0), hi: Math.max(hi, 0) };
}

/**
 * What the totals of all output channels, and every partial sum in any order, lie within: for inputs in `x` and
 * something added in `identity`.
 */
export function sumBounds(layer: ShiftLayer, x: Interval, identity: Interval): AccumulatorBound {
  const { lo: low, hi: high } = withZero(x);
  const channels = accumulatorBound(layer.weight, layer.bias, { low, high });
  const [least, most] = [identity.lo, identity.hi].map((end) => end * layer.identityFactor);
  const wide = { min: Infinity, max: -Infinity, partialMin: 0, partialMax: 0 };
  return channels.reduce<AccumulatorBound>(
    (all, one) => ({
      min: Math.min(all.min, one.min + (least ?? 0)),
      max: Math.max(all.max, one.max + (most ?? 0)),
      partialMin: Math.min(all.partialMin, one.partialMin + Math.min(least ?? 0, 0)),
      partialMax: Math.max(all.partialMax, one.partialMax + Math.max(most ?? 0, 0)),
    }),
    wide,
  );
}

/** `clamp(floor(total * 2^-shift + 0.5), qMin, qMax)`. Exact while total and shift are moderate. */
export function levelOf(total: number, shift: number, { lo, hi }: Interval): number {
  return Math.min(Math.max(Math.floor(total * 2 ** -shift + 0.5), lo), hi);
}

/** Integers of a signed accumulator. `8 -> -128..127`. */
export function accumulatorRange(bits: number): Interval {
  return { lo: -(2 ** (bits - 1)), hi: 2 ** (bits - 1) - 1 };
}

/**
 * The integers that the node can give, whatever its weights. Rounding is monotonic, so an accumulator that saturates
 * does what a narrower clamp of the levels does.
 */
export function outputLimit({ attrs }: Node<"shiftConv">, shift: number): Interval {
  const { output, accumulator } = attrs;
  const isLevels = output.kind === "levels";
  const widest = Math.min(accumulator?.bits ?? 32, 32);
  const own = isLevels ? { lo: output.qMin, hi: output.qMax } : accumulatorRange(widest);
  if (accumulator?.overflow !== "saturate") return own;
  const { lo, hi } = accumulatorRange(accumulator.bits);
  const places = isLevels ? shift : 0;
  return { lo: levelOf(lo, places, own), hi: levelOf(hi, places, own) };
}

/** True where a total of `min..max` can pass the node's accumulator and come out as another number. */
export function mayWrap({ attrs }: Node<"shiftConv">, min: number, max: number): boolean {
  if (attrs.accumulator?.overflow !== "wrap") return false;
  const { lo, hi } = accumulatorRange(attrs.accumulator.bits);
  return min < lo || max > hi;
}
