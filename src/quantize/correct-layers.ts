/**
 * Correction of an integer graph from pictures: layer by layer, each channel's sum before rounding is brought to what the
 * float network has there, by a factor and an offset. Each layer sees the levels that the corrected layers before it
 * give, so rounding, clipping and the coarse input are corrected too, not the weights' error alone. (Small activations
 * round to 0 more often than up, so without a factor the signal fades from layer to layer.)
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
import { asNchw } from "../tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../tensor/tensor.ts";
import { compensatedLevels } from "./compensate-layer.ts";
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
  /** What each channel's sum is to have on top of the float one, in levels; 0 where it is not given. */
  readonly phases?: ArrayLike<number> | undefined;
  /** The layer, corrected and rounded. */
  readonly round: (correction: Correction) => RoundedLayer;
  /** Largest magnitude of its weights' integers, where each is to make good what others lose; they are rounded alone without. */
  readonly largest?: number | undefined;
};

/** Integers of a layer and its shift. */
export type RoundedLayer = {
  readonly weight: Tensor<"int32">;
  readonly bias: Tensor<"int32">;
  readonly shift: number;
  /** The weights on the grid of the integers, not rounded. */
  readonly exact: Float64Array;
};

/** What a layer's sums are to be multiplied by, and what is to be added, in levels. */
export type Correction = {
  readonly factors: Float64Array;
  readonly offsets: Float64Array;
  /** The layer's weights as they are to be, multiplied and rounded, on the grid of `2^-shift`. */
  readonly weight?: { readonly levels: Float64Array; readonly shift: number } | undefined;
};

export type CorrectScene = FloatScene & { readonly seed: number };

/**
 * The correction of each layer, by the id of its shiftConv. `entries` are the values of the graph's input node, one per
 * picture of the scene's data set; random pixels of each are looked at.
 */
export async function layerCorrections(
  graph: Graph,
  layers: readonly CorrectedLayer[],
  entries: readonly Tensor[],
  scene: CorrectScene,
): Promise<ReadonlyMap<string, Correction>> {
  const { runtime, onProgress, seed } = scene;
  const folded = foldSample(graph);
  const types = inferTypes(folded);
  const ids = layers.map(({ id }) => id);
  const places = placesOf(graph, folded, ids, types, entries.length, createRandom(seed, 11));
  const wanted = await sampledSums(new Map(layers.map(({ id, sum }) => [id, sum])), places, scene);
  const [input] = nodesOf(folded, "input");
  // Levels of each picture that later layers still read, by id.
  const held = new Map<string, readonly Tensor[]>([[input?.id ?? "", entries]]);
  const corrections = new Map<string, Correction>();
  let current = folded;
  for (const [at, layer] of layers.entries()) {
    const place = places.get(layer.id);
    if (place === undefined) throw workError("a layer is not in the graph", { node: layer.id });
    const float = wanted.get(layer.id) ?? [];
    const sums = await chipSums(current, place, held, types, runtime);
    const walk = { graph: current, held, types, runtime };
    const plain = correctionOf(sums, float, layer, place);
    const correction = await compensated(plain, layer, place, float, walk);
    current = withRounded(current, place.node, layer.round(correction));
    corrections.set(layer.id, correction);
    held.set(place.node.id, await levelsOf(current, place.node.id, held, types, runtime));
    forget(held, current, place.node.id);
    onProgress?.({ label: "correct layers", done: at + 1, total: layers.length });
  }
  return corrections;
}

type Walk = {
  readonly graph: Graph;
  readonly held: Held;
  readonly types: Types;
  readonly runtime: Runtime;
};

/** The correction with rounded weights that make good each other's errors, and offsets that fit them. */
async function compensated(
  correction: Correction,
  layer: CorrectedLayer,
  place: NodePlace,
  float: readonly Float32Array[],
  { graph, held, types, runtime }: Walk,
): Promise<Correction> {
  if (layer.largest === undefined) return correction;
  const { node, pixels, shape } = place;
  const [x = ""] = node.inputs;
  const values = held.get(x) ?? (await levelsOf(graph, x, held, types, runtime));
  const { exact, weight, shift } = layer.round(correction);
  const inputs = { values, pixels, width: shape[3] };
  const kernel = asNchw(weight.shape, node.id);
  const levels = compensatedLevels(exact, kernel, node.attrs, inputs, layer.largest);
  const rounded = { ...correction, weight: { levels, shift } };
  const own = withRounded(graph, node, layer.round(rounded));
  const sums = await chipSums(own, place, held, types, runtime);
  const left = pairSums(sums, float, layer.step, shape[1]);
  const offsets = correction.offsets.map(
    (offset, channel) => offset + left.offset(channel, 1) + (layer.phases?.[channel] ?? 0),
  );
  return { ...rounded, offsets };
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

/** Channels that are seen less often get an offset alone. */
const pixelsAtLeast = 256;

/**
 * Per channel the factor that the float sums are of the chip's where the chip is neither below 0 nor above its cap, and
 * then the offset that makes the means of all pixels equal. What is added by a shortcut cannot be scaled.
 */
function correctionOf(
  chip: readonly Float32Array[],
  float: readonly Float32Array[],
  { step, phases }: Pick<CorrectedLayer, "step" | "phases">,
  { node, shape: [, channels] }: NodePlace,
): Correction {
  const { output } = node.attrs;
  const cap = output.kind === "levels" ? output.qMax : Number.POSITIVE_INFINITY;
  const all = pairSums(chip, float, step, channels);
  const active = pairSums(chip, float, step, channels, (sum) => sum > 0 && sum < cap);
  const isSum = node.inputs.length > 3;
  const factors = Float64Array.from({ length: channels }, (_, channel) =>
    isSum || active.count(channel) < pixelsAtLeast ? 1 : active.slope(channel),
  );
  const offsets = factors.map(
    (factor, channel) => all.offset(channel, factor) + (phases?.[channel] ?? 0),
  );
  return { factors, offsets };
}

/** The sums of all pictures, `[pixels, channels]` each, those of the chip that count with the float ones in levels. */
function pairSums(
  chip: readonly Float32Array[],
  float: readonly Float32Array[],
  step: number,
  channels: number,
  counts: (sum: number) => boolean = () => true,
): PairSums {
  const pairs = new PairSums(channels);
  for (const [picture, sums] of chip.entries()) {
    const wanted = float[picture] ?? new Float32Array();
    for (let at = 0; at < sums.length; at += 1) {
      const sum = sums[at] ?? 0;
      if (counts(sum)) pairs.add(at % channels, sum, (wanted[at] ?? 0) / step);
    }
  }
  return pairs;
}

/** Sums of pairs (x, y), per channel. */
class PairSums {
  readonly #count: Float64Array;
  readonly #x: Float64Array;
  readonly #y: Float64Array;
  readonly #xx: Float64Array;
  readonly #xy: Float64Array;

  constructor(channels: number) {
    this.#count = new Float64Array(channels);
    this.#x = new Float64Array(channels);
    this.#y = new Float64Array(channels);
    this.#xx = new Float64Array(channels);
    this.#xy = new Float64Array(channels);
  }

  add(channel: number, x: number, y: number): void {
    this.#count[channel]! += 1;
    this.#x[channel]! += x;
    this.#y[channel]! += y;
    this.#xx[channel]! += x * x;
    this.#xy[channel]! += x * y;
  }

  count(channel: number): number {
    return this.#count[channel] ?? 0;
  }

  #mean(sums: Float64Array, channel: number): number {
    return (sums[channel] ?? 0) / Math.max(1, this.count(channel));
  }

  /** Least squares of y over x. */
  slope(channel: number): number {
    const [x, y] = [this.#mean(this.#x, channel), this.#mean(this.#y, channel)];
    const variance = this.#mean(this.#xx, channel) - x * x;
    return variance > 1e-9 ? (this.#mean(this.#xy, channel) - x * y) / variance : 1;
  }

  offset(channel: number, factor: number): number {
    return this.#mean(this.#y, channel) - factor * this.#mean(this.#x, channel);
  }
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

/** The graph with the layer's integers and shift. */
function withRounded(graph: Graph, node: Node<"shiftConv">, rounded: RoundedLayer): Graph {
  const [, weightId = "", biasId = ""] = node.inputs;
  const finer = rounded.shift - node.attrs.shift;
  const tensors = new Map<string, Tensor>([
    [weightId, rounded.weight],
    [biasId, rounded.bias],
  ]);
  const nodes = graph.nodes.map((one): Node => {
    const tensor = tensors.get(one.id);
    if (one.op === "const" && tensor !== undefined) return { ...one, attrs: { tensor } };
    if (one.id !== node.id || one.op !== "shiftConv") return one;
    const { shift, identityShift } = one.attrs;
    const attrs = { ...one.attrs, shift: shift + finer, identityShift: identityShift + finer };
    return { ...one, attrs };
  });
  return { ...graph, nodes };
}
