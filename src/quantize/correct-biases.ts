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
import { foldSample } from "../passes/fold-sample.ts";
import { openSession } from "../run/session.ts";
import { simulationOfIntegers } from "../run/simulate.ts";
import { createRandom } from "../tensor/random.ts";
import { float32, type Tensor, toNumbers } from "../tensor/tensor.ts";
import { feedsOf, forget, type Held, levelsOf, segment, swept } from "./held-levels.ts";
import {
  type FloatScene,
  gathered,
  type NodePlace,
  placesOf,
  sampledSums,
} from "./sampled-sums.ts";

export type CorrectedLayer = {
  /** Id of the shiftConv. */
  readonly id: string;
  /** Id of the float value before the activation, and the real size of one level of the output. */
  readonly sum: string;
  readonly step: number;
};

export type CorrectScene = FloatScene & { readonly seed: number };

/**
 * The graph with corrected biases. `entries` are the values of its input node, one per picture of the scene's data
 * set; the means are taken over random pixels of each.
 */
export async function correctBiases(
  graph: Graph,
  layers: readonly CorrectedLayer[],
  entries: readonly Tensor[],
  scene: CorrectScene,
): Promise<Graph> {
  const { runtime, onProgress, seed } = scene;
  const folded = foldSample(graph);
  const types = inferTypes(folded);
  const ids = layers.map(({ id }) => id);
  const places = placesOf(graph, folded, ids, types, entries.length, createRandom(seed, 11));
  const wanted = await sampledSums(new Map(layers.map(({ id, sum }) => [id, sum])), places, scene);
  const [input] = nodesOf(folded, "input");
  // Levels of each picture that later layers still read, by id.
  const held = new Map<string, readonly Tensor[]>([[input?.id ?? "", entries]]);
  const biases = new Map<string, Tensor<"int32">>();
  let current = folded;
  for (const [at, { id, step }] of layers.entries()) {
    const place = places.get(id);
    if (place === undefined) throw workError("a layer is not in the graph", { node: id });
    const { node } = place;
    const sums = await chipSums(current, place, held, types, runtime);
    const offsets = meanErrors(sums, wanted.get(id) ?? [], step, place);
    const bias = corrected(current, node, offsets);
    biases.set(node.inputs[2] ?? "", bias);
    current = withConstants(current, biases);
    held.set(node.id, await levelsOf(current, node.id, held, types, runtime));
    forget(held, current, node.id);
    onProgress?.({ label: "correct biases", done: at + 1, total: layers.length });
  }
  return withConstants(graph, biases);
}

/** The layer's sums in levels, not rounded, at its pixels, per picture. */
async function chipSums(
  graph: Graph,
  place: NodePlace,
  held: Held,
  types: Types,
  runtime: Runtime,
): Promise<readonly Float32Array[]> {
  const part = withSum(segment(graph, place.node.id, held, types), place.node.id);
  const session = await openSession(simulationOfIntegers(part).lowered, runtime);
  const found: Float32Array[] = [];
  try {
    for (let picture = 0; picture < place.pixels.length; picture += 1) {
      const values = await session.run(feedsOf(part, held, picture));
      const sum = values.get(part.outputs[0]?.id ?? "");
      if (sum === undefined) throw workError("a sum was not computed", { node: place.node.id });
      found.push(gathered(sum, place, picture, 1));
    }
  } finally {
    await session.release();
  }
  return found;
}

/** Per channel the mean of float minus chip, in levels. */
function meanErrors(
  chip: readonly Float32Array[],
  float: readonly Float32Array[],
  step: number,
  { shape: [, channels] }: NodePlace,
): Float64Array {
  const sums = new Float64Array(channels);
  let pixels = 0;
  for (const [picture, values] of chip.entries()) {
    const wanted = float[picture] ?? new Float32Array();
    pixels += values.length / channels;
    for (let at = 0; at < values.length; at += 1) {
      const channel = at % channels;
      const error = (wanted[at] ?? 0) / step - (values[at] ?? 0);
      sums[channel] = (sums[channel] ?? 0) + error;
    }
  }
  return sums.map((sum) => sum / Math.max(1, pixels));
}

/** The layer's sum as a float convolution, in levels: close enough for a mean. */
function withSum(graph: Graph, id: string): Graph {
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
  const names = { w: `${id}.mean.w`, b: `${id}.mean.b`, sum: `${id}.mean.sum` };
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
  const kept = graph.nodes.filter((node) => node.id !== id);
  const outputs = [{ name: total, id: total }];
  return swept({ ...graph, nodes: [...kept, ...added], outputs });
}

/** The layer's bias, moved by as many levels. */
function corrected(
  graph: Graph,
  { inputs, attrs }: Node<"shiftConv">,
  offsets: Float64Array,
): Tensor<"int32"> {
  const bias = constantOf(nodeMap(graph).get(inputs[2] ?? ""));
  if (bias === undefined) throw workError("a bias is no constant", { node: inputs[2] });
  const data = Int32Array.from(
    toNumbers(bias),
    (value, channel) => value + Math.round((offsets[channel] ?? 0) * 2 ** attrs.shift),
  );
  return { dtype: "int32", shape: bias.shape, data };
}

function withConstants(graph: Graph, constants: ReadonlyMap<string, Tensor>): Graph {
  const nodes = graph.nodes.map((node): Node => {
    const tensor = constants.get(node.id);
    return node.op === "const" && tensor !== undefined ? { ...node, attrs: { tensor } } : node;
  });
  return { ...graph, nodes };
}
