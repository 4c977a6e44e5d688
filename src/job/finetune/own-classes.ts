/**
 * A classifier for other classes: its last layer gets as many outputs as there are classes, with new weights; all before
 * it stays.
 */
import { inputError } from "../../error.ts";
import { constantOf, describe, type Graph, nodeMap } from "../../ir/graph.ts";
import { inferTypes } from "../../ir/infer.ts";
import type { Node } from "../../ir/ops.ts";
import { createRandom } from "../../tensor/random.ts";
import { elementCount } from "../../tensor/shape.ts";
import { float32 } from "../../tensor/tensor.ts";

export type NewHead = {
  readonly graph: Graph;
  /** Id of the layer that is new. */
  readonly layer: string;
};

type HeadNode = Node<"linear"> | Node<"conv"> | Node<"quantConv">;

/** Operators that may stand between the last layer and the scores: they keep one number per class. */
const passing: ReadonlySet<string> = new Set([
  ...[
    "softmax",
    "flatten",
    "reshape",
    "identity",
    "globalAvgPool",
    "avgPool",
    "dropout",
    "sigmoid",
  ],
]);

/**
 * The graph with `classes` scores. Weights are drawn evenly from +-sqrt(3 / fan-in) by the seed (Caffe's xavier), the bias
 * is 0. Throws where the scores do not come from a layer with constant weights.
 */
export function withClasses(graph: Graph, classes: number, seed: number): NewHead {
  const nodes = nodeMap(graph);
  const between: Node[] = [];
  let node = nodes.get(graph.outputs[0]?.id ?? "");
  while (node !== undefined && passing.has(node.op)) {
    between.push(node);
    node = nodes.get(node.inputs[0] ?? "");
  }
  const head = headOf(node, graph);
  const weight = constantOf(nodes.get(head.inputs[1] ?? ""));
  if (weight?.dtype !== "float32") throw noHead(head);
  const [before = 1, ...kernel] = weight.shape;
  const replaced = new Map<string, Node>();
  const fanIn = elementCount(kernel);
  const bound = Math.sqrt(3 / fanIn);
  const random = createRandom(seed, classes);
  const drawn = Float32Array.from(
    { length: classes * fanIn },
    () => bound * (2 * random.unit() - 1),
  );
  const put = (id: string, tensor: ReturnType<typeof float32>): void => {
    replaced.set(id, { op: "const", id, inputs: [], attrs: { tensor } });
  };
  put(head.inputs[1] ?? "", float32([classes, ...kernel], drawn));
  const [, , bias] = head.inputs;
  if (bias !== undefined) put(bias, float32([classes], new Float32Array(classes)));
  for (const one of between) {
    if (one.op !== "reshape") continue;
    const shape = one.attrs.shape.map((dim) => (dim === before ? classes : dim));
    replaced.set(one.id, { ...one, attrs: { shape } });
  }
  const changed = { ...graph, nodes: graph.nodes.map((one) => replaced.get(one.id) ?? one) };
  const found = elementCount(
    inferTypes(changed)
      .get(graph.outputs[0]?.id ?? "")
      ?.shape.slice(1) ?? [],
  );
  if (found !== classes) throw noHead(head);
  return { graph: changed, layer: head.id };
}

function headOf(node: Node | undefined, graph: Graph): HeadNode {
  const isHead = node?.op === "linear" || node?.op === "conv" || node?.op === "quantConv";
  if (isHead && (node.op === "linear" || node.attrs.groups === 1)) return node;
  throw noHead(node ?? graph.nodes.at(-1));
}

function noHead(node: Node | undefined): Error {
  return inputError("the last layer cannot be replaced for other classes", {
    node: node && describe(node),
    expected: "an inner product or a convolution that gives the scores",
    hint: "Change num_output of the last layer in the prototxt, and give that",
  });
}
