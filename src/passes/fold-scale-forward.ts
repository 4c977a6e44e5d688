/**
 * A `scale` per channel that only one convolution or linear layer reads goes into that layer's
 * weights, where no padding stands between them.
 */
import type { Graph } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { type Context, type Rule, rewrite } from "../ir/rewrite.ts";
import { type AffineUse, affineOf } from "./affine.ts";
import { createNamer, type Namer, replaceParameters } from "./new-constants.ts";
import { renameNodes } from "./rename.ts";
import { foldIntoInputs, weightedOf } from "./weights.ts";

/**
 * The graph with such scales folded. Padded convolutions take a scale without offset only: behind
 * an offset the padding is no longer 0.
 */
export function foldScaleForward(graph: Graph): Graph {
  const namer = createNamer(graph);
  const folded = rewrite(graph, [forwardRule(inferTypes(graph), namer)]);
  return renameNodes(folded, namer.wishes);
}

function forwardRule(types: Types, namer: Namer): Rule {
  return (node, context) => {
    const scale = context.get(node.inputs[0]);
    if (scale?.op !== "scale" || context.uses(scale.id) !== 1) return undefined;
    const use = affineOf(scale, { context, types });
    return use && foldUse(node, use, context, namer);
  };
}

function foldUse(
  node: Node,
  { source, affine }: AffineUse,
  context: Context,
  namer: Namer,
): readonly Node[] | undefined {
  if (node.op !== "conv" && node.op !== "linear") return undefined;
  if (isPadded(node) && affine.offset.some((offset) => offset !== 0)) return undefined;
  const layer = weightedOf(node, context);
  const parameters = layer && foldIntoInputs(node, layer.parameters, affine);
  if (parameters === undefined) return undefined;
  // A bias of zeros that was not there before says nothing.
  const { weight, bias } = parameters;
  const kept = node.inputs.length < 3 && bias?.data.every((b) => b === 0) ? undefined : bias;
  return replaceParameters(node, { weight, bias: kept }, { id: node.id, source }, namer);
}

function isPadded(node: Node<"conv"> | Node<"linear">): boolean {
  return node.op === "conv" && node.attrs.pads.some((pixels) => pixels !== 0);
}
