/**
 * A network's first convolution, where something behind it tells what numbers it was trained on: a batch norm
 * that is not folded yet, or a clip. Nothing is run here.
 */
import { constantOf, consumers, type Graph, nodeMap, sweep } from "../ir/graph.ts";
import type { Node, Op } from "../ir/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";

export type FirstLayer = {
  /** From the network's input to the convolution, which is its only output. */
  readonly graph: Graph;
  readonly conv: string;
};

/** Mean and variance (epsilon included) per channel that a batch norm expects; `used` without dead channels. */
export type NormStatistics = {
  readonly mean: ArrayLike<number>;
  readonly variance: readonly number[];
  readonly used: readonly number[];
};

/** Operators between input and convolution that exporters put there for padding and preprocessing. */
const steps: ReadonlySet<Op> = new Set<Op>([
  "identity",
  "dropout",
  "pad",
  "transpose",
  "reshape",
  "scale",
  "bias",
  "batchNorm",
  "power",
  "add",
  "sub",
  "mul",
  "div",
]);

/** Below this a channel never varied in training: it tells nothing. */
const leastVariance = 1e-6;

/** The convolution with a batch norm of constants directly behind it; undefined where there is none. */
export function normedLayer(
  graph: Graph,
): { readonly layer: FirstLayer; readonly statistics: NormStatistics } | undefined {
  const conv = firstConvolution(graph);
  const norm = conv && onlyReader(graph, conv.id);
  if (conv === undefined || norm?.op !== "batchNorm") return undefined;
  const nodes = nodeMap(graph);
  const mean = floats(nodes.get(norm.inputs[1] ?? ""));
  const stored = floats(nodes.get(norm.inputs[2] ?? ""));
  if (mean === undefined || stored === undefined) return undefined;
  const used = [...stored.keys()].filter((at) => (stored[at] ?? 0) > leastVariance);
  if (used.length === 0) return undefined;
  const variance = Array.from(stored, (value) => value + norm.attrs.epsilon);
  return { layer: layerOf(graph, conv.id), statistics: { mean, variance, used } };
}

/** The convolution with a clip from 0 (ReLU6) behind it, and where that clips. */
export function clippedLayer(
  graph: Graph,
): { readonly layer: FirstLayer; readonly max: number } | undefined {
  const conv = firstConvolution(graph);
  const clip = conv && onlyReader(graph, conv.id);
  if (conv === undefined || clip?.op !== "clip") return undefined;
  const { min, max } = clip.attrs;
  if (min !== 0 || !Number.isFinite(max) || max <= 0) return undefined;
  return { layer: layerOf(graph, conv.id), max };
}

function layerOf(graph: Graph, conv: string): FirstLayer {
  return { conv, graph: sweep({ ...graph, outputs: [{ name: conv, id: conv }] }) };
}

/** The convolution that the network's one input leads to with nothing but `steps` between. */
function firstConvolution(graph: Graph): Extract<Node, { op: "conv" }> | undefined {
  const inputs = graph.nodes.filter((node) => node.op === "input");
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) return undefined;
  const readers = consumers(graph);
  // SSD's default boxes look at the image's size only.
  let next = (readers.get(input.id) ?? []).filter(({ op }) => op !== "priorBox");
  while (next.length === 1 && next[0] !== undefined && steps.has(next[0].op)) {
    next = [...(readers.get(next[0].id) ?? [])];
  }
  const [node] = next;
  return next.length === 1 && node?.op === "conv" ? node : undefined;
}

function onlyReader(graph: Graph, id: string): Node | undefined {
  const readers = consumers(graph).get(id) ?? [];
  return readers.length === 1 ? readers[0] : undefined;
}

function floats(node: Node | undefined): Float32Array | undefined {
  const value: Tensor | undefined = constantOf(node);
  return value?.dtype === "float32" ? value.data : undefined;
}
