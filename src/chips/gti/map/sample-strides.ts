/**
 * Strided convolutions as the chip computes them: with stride 1, then the top left pixel of every 2x2.
 */
import { constantOf, freshId, type Graph } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import { isActivation, isConvolution } from "./units.ts";
import { shapeOf, soleReader, type View, viewOf } from "./view.ts";

/**
 * The graph where a stride-2 convolution (3x3 with pads 1, 1x1 without) with an activation behind it is a
 * stride-1 convolution, the activation and a sample pooling `<activation>.sample`. Only on maps of even size:
 * there the sampled pixels are those that the strides meet. With `only` the convolutions of these ids alone.
 */
export function sampleStrides(graph: Graph, only?: ReadonlySet<string>): Graph {
  const view = viewOf(graph);
  const strided = new Map(
    graph.nodes.flatMap((node): [string, Node][] => {
      const isWanted = only === undefined || only.has(node.id);
      const activation = isWanted && canSample(node, view) ? soleReader(view, node.id) : undefined;
      return activation === undefined ? [] : [[node.id, activation]];
    }),
  );
  if (strided.size === 0) return graph;
  const taken = new Set(view.nodes.keys());
  const sampled = new Map<string, string>();
  for (const { id } of strided.values()) {
    const pooled = freshId(`${id}.sample`, taken);
    taken.add(pooled);
    sampled.set(id, pooled);
  }
  return rewired(graph, strided, sampled);
}

/** Unit strides for the convolutions, a pooling behind each activation, and readers that read it. */
function rewired(
  graph: Graph,
  strided: ReadonlyMap<string, Node>,
  sampled: ReadonlyMap<string, string>,
): Graph {
  const nodes = graph.nodes.flatMap((node): Node[] => {
    const inputs = node.inputs.map((id) => sampled.get(id) ?? id);
    if (isConvolution(node) && strided.has(node.id)) return [{ ...unitStride(node), inputs }];
    const pooled = sampled.get(node.id);
    const moved: Node = { ...node, inputs };
    return pooled === undefined ? [moved] : [moved, samplePool(pooled, node.id)];
  });
  const outputs = graph.outputs.map(({ name, id }) => ({ name, id: sampled.get(id) ?? id }));
  return { ...graph, nodes, outputs };
}

function unitStride(node: Node<"conv"> | Node<"quantConv">): Node {
  return node.op === "conv"
    ? { ...node, attrs: { ...node.attrs, stride: [1, 1] } }
    : { ...node, attrs: { ...node.attrs, stride: [1, 1] } };
}

function samplePool(id: string, input: string): Node {
  const attrs = {
    kernel: [1, 1],
    stride: [2, 2],
    pads: [0, 0, 0, 0],
    dilation: [1, 1],
    ceil: false,
  } as const;
  return { op: "maxPool", id, inputs: [input], attrs };
}

function canSample(node: Node, view: View): boolean {
  if (!isConvolution(node)) return false;
  const [, , kh = 0, kw = 0] = constantOf(view.nodes.get(node.inputs[1] ?? ""))?.shape ?? [];
  const [, , h = 1, w = 1] = shapeOf(view, node.inputs[0]);
  const { stride, pads, dilation } = node.attrs;
  const reader = soleReader(view, node.id);
  return (
    (kh === 1 || kh === 3) &&
    kw === kh &&
    stride.every((step) => step === 2) &&
    dilation.every((step) => step === 1) &&
    pads.every((pixels) => pixels === (kh - 1) / 2) &&
    h % 2 === 0 &&
    w % 2 === 0 &&
    reader !== undefined &&
    isActivation(reader)
  );
}
