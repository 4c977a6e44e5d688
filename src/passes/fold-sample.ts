/**
 * Sample pooling (the top left pixel of each block) behind a shiftConv is the same convolution with a longer
 * stride: a quarter of the work for blocks of 2 x 2. The definition runs the graph as it was.
 */

import type { Graph } from "../ir/graph.ts";
import { freshId, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { type Rule, rewrite } from "../ir/rewrite.ts";

/**
 * Folds each sample pooling into the shiftConv before it, where nothing else reads that one. The pooling's id
 * stays, the convolution's goes. The same graph where there is none.
 */
export function foldSample(graph: Graph): Graph {
  const taken = new Set(nodeMap(graph).keys());
  const fresh = (base: string): string => {
    const id = freshId(base, taken);
    taken.add(id);
    return id;
  };
  const fold: Rule = (node, context) => {
    if (node.op !== "maxPool" || !isSample(node)) return undefined;
    const conv = context.get(node.inputs[0]);
    if (conv?.op !== "shiftConv" || context.uses(conv.id) !== 1) return undefined;
    return strided(conv, node, fresh);
  };
  return rewrite(graph, [fold]);
}

function isSample({ attrs }: Node<"maxPool">): boolean {
  const { kernel, pads } = attrs;
  return kernel[0] === 1 && kernel[1] === 1 && pads.every((pad) => pad === 0);
}

/** The convolution at every pixel that the pooling keeps; what is added is sampled by itself. */
function strided(
  conv: Node<"shiftConv">,
  pool: Node<"maxPool">,
  fresh: (base: string) => string,
): readonly Node[] {
  const [down, across] = pool.attrs.stride;
  const { stride } = conv.attrs;
  const [x = "", weight = "", bias = "", identity] = conv.inputs;
  const attrs = { ...conv.attrs, stride: [stride[0] * down, stride[1] * across] as const };
  if (identity === undefined) return [{ ...conv, id: pool.id, attrs }];
  const sampled: Node = { ...pool, id: fresh(`${identity}.sample`), inputs: [identity] };
  const inputs = [x, weight, bias, sampled.id];
  return [sampled, { ...conv, id: pool.id, inputs, attrs }];
}
