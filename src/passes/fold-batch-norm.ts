/**
 * Batch norm and every other affine function of the channels goes into the weights of the layer
 * before it; one that stands alone becomes a single `scale`. The fused layer keeps the layer's id.
 */
import { constantOf, type Graph } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { type Context, type Rule, rewrite } from "../ir/rewrite.ts";
import { float32 } from "../tensor/tensor.ts";
import { type Affine, type AffineUse, affineOf, composeAffine } from "./affine.ts";
import { createNamer, type Namer, replaceParameters } from "./new-constants.ts";
import { renameNodes } from "./rename.ts";
import { foldIntoOutputs, type Parameters, type Weighted, weightedOf } from "./weights.ts";

/** A chain of affine operators so far, unrounded, and what stands before it. */
type Chain = {
  readonly affine: Affine;
  readonly source: string;
  readonly layer: { readonly node: Weighted; readonly parameters: Parameters } | undefined;
};

/**
 * The graph without batchNorm and bias, and without scale, add, sub, mul, div and power by
 * constants per channel where a conv, deconv or linear stands before them. A chain is composed in
 * float64 and rounded once. Throws where a batchNorm has `variance + epsilon <= 0`.
 */
export function foldBatchNorm(graph: Graph): Graph {
  const namer = createNamer(graph);
  const folded = rewrite(graph, [foldRule(inferTypes(graph), namer)]);
  return renameNodes(folded, namer.wishes);
}

function foldRule(types: Types, namer: Namer): Rule {
  const chains = new Map<string, Chain>();
  return (node, context) => {
    const use = affineOf(node, { context, types });
    if (use === undefined) return undefined;
    for (const chain of candidates(use, chains, context)) {
      const nodes = emit(node, chain, context, namer);
      if (nodes === undefined) continue;
      chains.set(node.id, chain);
      return nodes[0] === node ? undefined : nodes;
    }
    return undefined;
  };
}

/** The chains that the operator may end, the most folded first; the last is the operator alone. */
function candidates(
  { source, affine }: AffineUse,
  chains: ReadonlyMap<string, Chain>,
  context: Context,
): readonly Chain[] {
  const alone: Chain = { affine, source, layer: undefined };
  if (context.uses(source) !== 1) return [alone];
  const before = chains.get(source);
  if (before !== undefined) {
    return [{ ...before, affine: composeAffine(affine, before.affine) }, alone];
  }
  const layer = weightedOf(context.get(source), context);
  if (layer === undefined) return [alone];
  return [{ affine, source: layer.node.inputs[0] ?? "", layer }, alone];
}

function emit(
  node: Node,
  chain: Chain,
  context: Context,
  namer: Namer,
): readonly Node[] | undefined {
  const { layer, affine, source } = chain;
  if (layer === undefined) {
    return isCanonicalScale(node, chain, context) ? [node] : emitScale(node, chain, namer);
  }
  const parameters = foldIntoOutputs(layer.node, layer.parameters, affine);
  return parameters && replaceParameters(layer.node, parameters, { id: node.id, source }, namer);
}

/** True for a scale along axis 1 that already has one number per channel in each parameter. */
function isCanonicalScale(node: Node, { source, affine }: Chain, context: Context): boolean {
  if (node.op !== "scale" || node.inputs[0] !== source || node.attrs.axis !== 1) return false;
  return node.inputs.slice(1).every((id) => {
    const shape = constantOf(context.get(id))?.shape;
    return shape?.length === 1 && shape[0] === affine.factor.length;
  });
}

/** `scale` with one gamma, and one beta where any is not 0, per channel. */
function emitScale(node: Node, chain: Chain, namer: Namer): readonly Node[] | undefined {
  const { factor, offset } = chain.affine;
  const parameters = [Float32Array.from(factor), Float32Array.from(offset)];
  if (!parameters.every((values) => values.every(Number.isFinite))) return undefined;
  const names = [`${node.id}.gamma`, `${node.id}.beta`];
  const made = parameters.flatMap((values, at) =>
    at === 1 && values.every((value) => value === 0)
      ? []
      : [namer.constant(names[at] ?? node.id, float32([values.length], values))],
  );
  const inputs = [chain.source, ...made.map(({ id }) => id)];
  return [...made, { op: "scale", id: node.id, inputs, attrs: { axis: 1 } }];
}
