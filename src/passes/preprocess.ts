/**
 * Puts the arithmetic of preprocessing into the graph: its input becomes picture bytes
 * [n, h, w, c], and `(pixel - mean) * scale / std` is computed by the engine.
 */
import { inputError } from "../error.ts";
import { describe, freshId, type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

/** Arithmetic on pixels; the tensors broadcast over [n, c, h, w] in the network's channel order. */
export type PixelArithmetic = {
  /** Grey levels: per channel, or a whole image. */
  readonly mean: Tensor<"float32">;
  readonly scale: number;
  readonly std: Tensor<"float32">;
};

type Step = { readonly op: "sub" | "mul" | "div"; readonly name: string; readonly by: Tensor };

/** The steps that change anything, in order. */
function stepsOf({ mean, scale, std }: PixelArithmetic): readonly Step[] {
  const steps: readonly (Step & { readonly neutral: number })[] = [
    { op: "sub", name: "mean", by: mean, neutral: 0 },
    { op: "mul", name: "scale", by: float32([], [scale]), neutral: 1 },
    { op: "div", name: "std", by: std, neutral: 1 },
  ];
  return steps.filter(({ by, neutral }) => by.data.some((value) => Number(value) !== neutral));
}

/**
 * The graph with picture bytes as its input, or as the input named. The value that was the input keeps its id.
 * Throws unless the graph has one image input, or the named one.
 */
export function attachPreprocessing(
  graph: Graph,
  arithmetic: PixelArithmetic,
  inputId?: string,
): Graph {
  const inputs = graph.nodes.filter(
    (node) => node.op === "input" && (inputId === undefined || node.id === inputId),
  );
  const [input] = inputs;
  if (input?.op !== "input" || inputs.length > 1) {
    throw inputError("preprocessing needs a network with one input", { got: `${inputs.length}` });
  }
  const [n, c, h, w] = asNchw(input.attrs.shape, describe(input));
  const taken = new Set(nodeMap(graph).keys());
  const fresh = (suffix: string): string => {
    const id = freshId(`${input.id}.${suffix}`, taken);
    taken.add(id);
    return id;
  };
  const bytes = fresh("bytes");
  const attrs = { dtype: "uint8", shape: [n, h, w, c] } as const;
  const nodes: Node[] = [{ op: "input", id: bytes, inputs: [], attrs }];
  const steps = stepsOf(arithmetic);
  let value = steps.length === 0 ? input.id : fresh("pixels");
  nodes.push({ op: "imageToTensor", id: value, inputs: [bytes], attrs: {} });
  for (const [at, { op, name, by }] of steps.entries()) {
    const constant = fresh(name);
    nodes.push({ op: "const", id: constant, inputs: [], attrs: { tensor: by } });
    const id = at === steps.length - 1 ? input.id : fresh(`after-${name}`);
    nodes.push({ op, id, inputs: [value, constant], attrs: {} });
    value = id;
  }
  return { ...graph, nodes: graph.nodes.flatMap((node) => (node === input ? nodes : [node])) };
}
