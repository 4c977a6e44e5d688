/**
 * A network that begins anew: weights drawn as for layers in front of ReLUs, everything else as it has no effect.
 */
import { constantOf, type Graph, nodeMap } from "../../ir/graph.ts";
import type { Node, Op } from "../../ir/ops.ts";
import { createRandom, type Random } from "../../tensor/random.ts";
import { elementCount, type Shape } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";

/**
 * The graph with new constants in its layers: kernels of variance 2 / fan-in (He et al. 2015; 0.1 / fan-in for inner products), drawn by the seed; factors
 * and variances 1; biases and means 0. Constants that are no layer's weights stay.
 */
export function randomWeights(graph: Graph, seed: number): Graph {
  const nodes = nodeMap(graph);
  const drawn = new Map<string, Tensor>();
  for (const [index, node] of graph.nodes.entries()) {
    for (const [at, id] of node.inputs.entries()) {
      const tensor = constantOf(nodes.get(id));
      if (tensor?.dtype !== "float32" || drawn.has(id)) continue;
      const values = valuesFor(node, at, tensor.shape, () => createRandom(seed, index, at));
      if (values !== undefined) drawn.set(id, float32(tensor.shape, values));
    }
  }
  const changed = graph.nodes.map((node): Node => {
    const tensor = drawn.get(node.id);
    return node.op === "const" && tensor !== undefined ? { ...node, attrs: { tensor } } : node;
  });
  return { ...graph, nodes: changed };
}

/** What each input of an operator begins with; inputs that are no weights are left out. */
const beginnings: { readonly [O in Op]?: readonly (Beginning | undefined)[] } = {
  conv: [undefined, "normal", 0],
  deconv: [undefined, "normal", 0],
  linear: [undefined, "small", 0],
  quantConv: [undefined, "normal", 0],
  // Mean, variance, gamma, beta.
  batchNorm: [undefined, 0, 1, 1, 0],
  scale: [undefined, 1, 0],
  bias: [undefined, 0],
  prelu: [undefined, 0.25],
};

/** Kernels in front of ReLUs, weights of scores, or a number everywhere. */
type Beginning = "normal" | "small" | number;

/** New values of one input of a node; undefined where it is no weight. */
function valuesFor(
  { op }: Node,
  input: number,
  shape: Shape,
  random: () => Random,
): Float32Array | undefined {
  const beginning = beginnings[op]?.[input];
  if (beginning === undefined) return undefined;
  if (beginning === "normal") return normal(shape, random(), 2);
  // Scores near 0 begin with a loss near log(classes); larger ones first have to be unlearned.
  if (beginning === "small") return normal(shape, random(), 0.1);
  return new Float32Array(elementCount(shape)).fill(beginning);
}

/** Of variance `gain / fan-in`. */
function normal(shape: Shape, random: Random, gain: number): Float32Array {
  const deviation = Math.sqrt(gain / Math.max(1, elementCount(shape.slice(1))));
  return Float32Array.from({ length: elementCount(shape) }, () => deviation * random.normal());
}
