/**
 * A pad operator in front of a convolution or pooling window becomes the window's own padding,
 * where every output value stays the same.
 */
import type { Graph } from "../ir/graph.ts";
import type { Node, PoolAttrs } from "../ir/ops.ts";
import { type Context, type Rule, rewrite } from "../ir/rewrite.ts";
import type { Pads } from "../tensor/shape.ts";

/** The graph with pads merged into the convolutions and pools that read them. */
export function mergePad(graph: Graph): Graph {
  return rewrite(graph, [mergeRule]);
}

const mergeRule: Rule = (node, context) => {
  const pad = context.get(node.inputs[0]);
  if (pad?.op !== "pad" || pad.attrs.pads.some((pixels) => pixels < 0)) return undefined;
  const [x = ""] = pad.inputs;
  const inputs = [x, ...node.inputs.slice(1)];
  switch (node.op) {
    case "conv":
      if (pad.attrs.value !== 0) return undefined;
      return [{ ...node, inputs, attrs: { ...node.attrs, pads: sum(node.attrs.pads, pad) } }];
    case "avgPool":
      if (!canMergeAverage(node, pad)) return undefined;
      return [
        {
          ...node,
          inputs,
          attrs: { ...node.attrs, pads: sum(node.attrs.pads, pad), countPad: true },
        },
      ];
    case "maxPool":
      if (!canMergeMaximum(node, pad, context)) return undefined;
      return [{ ...node, inputs, attrs: { ...node.attrs, pads: sum(node.attrs.pads, pad) } }];
    default:
      return undefined;
  }
};

function sum(own: Pads, pad: Node<"pad">): Pads {
  const { pads } = pad.attrs;
  return [own[0] + pads[0], own[1] + pads[1], own[2] + pads[2], own[3] + pads[3]];
}

/** The pad's pixels count in the divisor, so the pool's own must count too, or there are none. */
function canMergeAverage(node: Node<"avgPool">, pad: Node<"pad">): boolean {
  const ownCount = node.attrs.countPad || node.attrs.pads.every((pixels) => pixels === 0);
  return ownCount && pad.attrs.value === 0 && sameWindows(node.attrs, pad);
}

/** A pool pads with minus infinity: the same maximum where the pad's value never wins alone. */
function canMergeMaximum(node: Node<"maxPool">, pad: Node<"pad">, context: Context): boolean {
  const { value } = pad.attrs;
  const neverWins =
    value === -Infinity || (value === 0 && isNonNegative(context.get(pad.inputs[0]), context));
  return neverWins && sameWindows(node.attrs, pad);
}

/**
 * True where the merged pool has the windows of the two operators, each with a real pixel in it:
 * rounding up drops windows that start in a trailing pad, so there must be none of the pad's.
 */
function sameWindows(attrs: PoolAttrs, pad: Node<"pad">): boolean {
  const merged = sum(attrs.pads, pad);
  const [, , bottom, right] = pad.attrs.pads;
  const { kernel, dilation, ceil } = attrs;
  return (
    (!ceil || (bottom === 0 && right === 0)) &&
    dilation.every((step) => step === 1) &&
    merged.every((pixels, side) => pixels < (kernel[side % 2] ?? 0))
  );
}

/** True where no value can be below zero, as far as a few looks back through pools tell. */
function isNonNegative(node: Node | undefined, context: Context, looks = 4): boolean {
  if (looks === 0) return false;
  switch (node?.op) {
    case "relu":
      return node.attrs.slope === 0;
    case "clip":
      return node.attrs.min >= 0;
    case "sigmoid":
    case "softmax":
    case "abs":
      return true;
    case "maxPool":
    case "avgPool":
      return isNonNegative(context.get(node.inputs[0]), context, looks - 1);
    default:
      return false;
  }
}
