/**
 * Puts the arithmetic of preprocessing into the graph: its input becomes picture bytes
 * [n, h, w, c], and `(pixel - mean) * scale / std` is computed by the engine.
 */
import { inputError } from "../error.ts";
import { describe, freshId, type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

/** Arithmetic on pixels, per channel in the network's channel order. */
export type PixelScaling = {
  /** One value, one per channel, or a whole image [c, h, w]. Grey levels. */
  readonly mean: Tensor<"float32">;
  /** Multiplier after the mean is taken away; one value or one per channel. */
  readonly multiplier: Tensor<"float32">;
};

/** `mean` and `scale / std` as tensors that broadcast over [n, c, h, w]. */
export function pixelScaling(
  mean: readonly number[],
  scale: number,
  std: readonly number[],
): PixelScaling {
  const perChannel = (values: readonly number[]): Tensor<"float32"> =>
    values.length === 1 ? float32([], values) : float32([values.length, 1, 1], values);
  const steps = std.length === 0 ? [scale] : std.map((deviation) => scale / deviation);
  return {
    mean: perChannel(mean.length === 0 ? [0] : mean),
    multiplier: perChannel(steps),
  };
}

const isAll = (value: Tensor<"float32">, wanted: number): boolean =>
  value.data.every((element) => element === wanted);

/**
 * The graph with picture bytes as its input. The value that was the input keeps its id.
 * Throws unless the graph has one image input.
 */
export function attachPreprocessing(graph: Graph, scaling: PixelScaling): Graph {
  const inputs = graph.nodes.filter((node) => node.op === "input");
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw inputError("preprocessing needs a network with one input", { got: `${inputs.length}` });
  }
  const [n, c, h, w] = asNchw(input.attrs.shape, describe(input));
  const taken = nodeMap(graph);
  const bytes: Node = {
    op: "input",
    id: freshId(`${input.id}.bytes`, taken),
    inputs: [],
    attrs: { dtype: "uint8", shape: [n, h, w, c] },
  };
  const steps: Node[] = [bytes];
  const add = (node: Node): void => {
    steps.push(node);
  };
  const constant = (name: string, tensor: Tensor): string => {
    const id = freshId(`${input.id}.${name}`, taken);
    add({ op: "const", id, inputs: [], attrs: { tensor } });
    return id;
  };
  const centred = !isAll(scaling.mean, 0);
  const scaled = !isAll(scaling.multiplier, 1);
  const converted = centred || scaled ? freshId(`${input.id}.pixels`, taken) : input.id;
  add({ op: "imageToTensor", id: converted, inputs: [bytes.id], attrs: {} });
  const difference = scaled ? freshId(`${input.id}.centred`, taken) : input.id;
  if (centred) {
    const mean = constant("mean", scaling.mean);
    add({ op: "sub", id: difference, inputs: [converted, mean], attrs: {} });
  }
  if (scaled) {
    const multiplier = constant("multiplier", scaling.multiplier);
    const from = centred ? difference : converted;
    add({ op: "mul", id: input.id, inputs: [from, multiplier], attrs: {} });
  }
  return { ...graph, nodes: graph.nodes.flatMap((node) => (node === input ? steps : [node])) };
}
