/**
 * Bias correction of an integer graph from pictures: layer by layer, the mean of each channel's sum before rounding is
 * brought to what the float network has there. Each layer sees the levels that the corrected layers before it
 * give, so rounding, clipping and the coarse input are corrected too, not the weights' error alone.
 */
import type { Runtime } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { OnProgress } from "../notice.ts";
import { openSession } from "../run/session.ts";
import { simulationOfIntegers } from "../run/simulate.ts";
import { float32, type Tensor, toNumbers } from "../tensor/tensor.ts";
import { feedsOf, forget, type Held, levelsOf, segment, swept } from "./held-levels.ts";

export type CorrectOptions = {
  readonly onProgress?: OnProgress | undefined;
};

/**
 * The graph with corrected biases. `entries` are the values of its input node, one per picture; `wanted` has for each
 * shiftConv the mean per channel of `acc * 2^-shift` that the float network has, identity included. Layers without
 * one keep their bias.
 */
export async function correctBiases(
  graph: Graph,
  entries: readonly Tensor[],
  wanted: ReadonlyMap<string, Float64Array>,
  runtime: Runtime,
  { onProgress }: CorrectOptions = {},
): Promise<Graph> {
  const types = inferTypes(graph);
  const layers = nodesOf(graph, "shiftConv").filter(({ id }) => wanted.has(id));
  const [input] = nodesOf(graph, "input");
  if (input === undefined) throw workError("an integer graph needs an input");
  // Levels of each picture that later layers still read, by id.
  const held = new Map<string, readonly Tensor[]>([[input.id, entries]]);
  let current = graph;
  let done = 0;
  for (const layer of layers) {
    const means = await meansOf(current, layer.id, held, types, runtime);
    current = withBias(current, layer, means, wanted.get(layer.id));
    held.set(layer.id, await levelsOf(current, layer.id, held, types, runtime));
    forget(held, current, layer.id);
    done += 1;
    onProgress?.({ label: "correct biases", done, total: layers.length });
  }
  return current;
}

/** Mean over pictures and pixels of each channel's sum, in units of the output's level. */
async function meansOf(
  graph: Graph,
  id: string,
  held: Held,
  types: Types,
  runtime: Runtime,
): Promise<Float64Array> {
  const part = withMean(segment(graph, id, held, types), id);
  const { lowered } = simulationOfIntegers(part);
  const session = await openSession(lowered, runtime);
  const pictures = [...held.values()][0]?.length ?? 0;
  let sums = new Float64Array();
  try {
    for (let picture = 0; picture < pictures; picture += 1) {
      const values = await session.run(feedsOf(part, held, picture));
      const means = values.get(part.outputs[0]?.id ?? "");
      if (means === undefined) throw workError("a mean was not computed", { node: id });
      if (sums.length === 0) sums = new Float64Array(means.data.length);
      toNumbers(means).forEach((mean, channel) => {
        sums[channel] = (sums[channel] ?? 0) + mean;
      });
    }
  } finally {
    await session.release();
  }
  return sums.map((sum) => sum / Math.max(pictures, 1));
}

/** The layer as a float convolution, close enough for a mean, and its average over the image. */
function withMean(graph: Graph, id: string): Graph {
  const nodes = nodeMap(graph);
  const layer = nodes.get(id);
  if (layer?.op !== "shiftConv") throw workError("no layer that shifts", { node: id });
  const [x = "", weight = "", bias = "", identity] = layer.inputs;
  const { stride, pads, dilation, groups, shift, identityShift } = layer.attrs;
  const scaled = (source: string, name: string): Node => {
    const tensor = constantOf(nodes.get(source));
    const values = tensor === undefined ? [] : toNumbers(tensor).map((v) => v * 2 ** -shift);
    const attrs = { tensor: float32(tensor?.shape ?? [0], values) };
    return { op: "const", id: name, inputs: [], attrs };
  };
  const names = { w: `${id}.mean.w`, b: `${id}.mean.b`, sum: `${id}.mean.sum`, at: `${id}.mean` };
  const real = (value: string): string => `${value}.mean.real`;
  const dequantize = (value: string, step: number): readonly Node[] => [
    {
      op: "const",
      id: `${real(value)}.step`,
      inputs: [],
      attrs: { tensor: float32([], [step]) },
    },
    {
      op: "dequantize",
      id: real(value),
      inputs: [value, `${real(value)}.step`],
      attrs: { axis: 1 },
    },
  ];
  const attrs = { stride, pads, dilation, groups };
  const added: Node[] = [
    ...(nodes.get(x)?.op === "reduceBits" ? [] : dequantize(x, 1)),
    scaled(weight, names.w),
    scaled(bias, names.b),
  ];
  const input = nodes.get(x)?.op === "reduceBits" ? x : real(x);
  added.push({ op: "conv", id: names.sum, inputs: [input, names.w, names.b], attrs });
  let total = names.sum;
  if (identity !== undefined) {
    if (identity !== x || nodes.get(x)?.op === "reduceBits") {
      added.push(...dequantize(identity, 1));
    }
    const factor = `${id}.mean.factor`;
    const shifted = `${id}.mean.identity`;
    added.push({
      op: "const",
      id: factor,
      inputs: [],
      attrs: { tensor: float32([], [2 ** (identityShift - shift)]) },
    });
    added.push({ op: "mul", id: shifted, inputs: [real(identity), factor], attrs: {} });
    total = `${id}.mean.total`;
    added.push({ op: "add", id: total, inputs: [names.sum, shifted], attrs: {} });
  }
  added.push({ op: "globalAvgPool", id: names.at, inputs: [total], attrs: {} });
  const kept = graph.nodes.filter((node) => node.id !== id);
  return swept({
    ...graph,
    nodes: [...kept, ...added],
    outputs: [{ name: names.at, id: names.at }],
  });
}

function withBias(
  graph: Graph,
  layer: Node<"shiftConv">,
  means: Float64Array,
  wanted: Float64Array | undefined,
): Graph {
  const [, , biasId] = layer.inputs;
  const scale = 2 ** layer.attrs.shift;
  const nodes = graph.nodes.map((node): Node => {
    if (node.id !== biasId || node.op !== "const") return node;
    const { tensor } = node.attrs;
    const data = Int32Array.from(toNumbers(tensor), (bias, channel) => {
      const missing = (wanted?.[channel] ?? 0) - (means[channel] ?? 0);
      return bias + (wanted === undefined ? 0 : Math.round(missing * scale));
    });
    return { ...node, attrs: { tensor: { dtype: "int32", shape: tensor.shape, data } } };
  });
  return { ...graph, nodes };
}
