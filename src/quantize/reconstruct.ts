/**
 * Layer-wise reconstruction: layer by layer, weights and bias are fitted so that the layer, fed the levels that the
 * rounded layers before it give, has the sums that the float network has. What rounding, clipping and a coarse input
 * spoil is repaired as far as linear weights can. No labels, no gradients.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime } from "../engine/runtime.ts";
import { workError } from "../error.ts";
import { type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { OnProgress } from "../notice.ts";
import { foldSample } from "../passes/fold-sample.ts";
import { pictureSize, withPictureInput } from "../run/prepare.ts";
import { openSession } from "../run/session.ts";
import { createRandom, type Random } from "../tensor/random.ts";
import { asNchw, type Nchw } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { forget, type Held, levelsOf } from "./held-levels.ts";
import { type Correction, ridgeCorrection, type Samples } from "./ridge.ts";

/** A layer of the chip in float and rounded. */
export type Rounded = {
  /** Integers `[out, in / groups, kh, kw]` and `[out]`, in units of `2^-shift`. */
  readonly weight: Tensor;
  readonly bias: Tensor<"int32">;
  readonly shift: number;
};

export type ReconstructLayer = {
  /** Id of the shiftConv. */
  readonly id: string;
  /** Id of the float value before the activation, and its size of 1.0 in the chip's units. */
  readonly sum: string;
  readonly unit: number;
  /** In the chip's units, not rounded. */
  readonly weight: Tensor<"float32">;
  readonly bias: Float32Array;
  /** Levels in 1.0 of the chip's units. */
  readonly levelsPerUnit: number;
  readonly round: (weight: Tensor<"float32">, bias: Float32Array) => Rounded;
};

export type FittedLayer = {
  readonly weight: Tensor<"float32">;
  readonly bias: Float32Array;
  /** Mean squared error of the sums on unseen samples, in the chip's units: with an offset alone, and fitted. */
  readonly before: number;
  readonly after: number;
};

export type ReconstructScene = {
  readonly float: Graph;
  readonly dataset: Dataset;
  readonly preprocess: Preprocess;
  readonly runtime: Runtime;
  readonly seed: number;
  readonly onProgress?: OnProgress | undefined;
};

/** Pixels of each picture that a layer is fitted on, and samples in all. */
const pixelsPerPicture = 64;
const samplesAtMost = 6000;
/** Every fourth picture judges. */
const judging = 4;
/** Layers with more weights per output gain little and cost much: they stay as they are. */
const featuresAtMost = 64;
/** A fit that takes less of the error away is not worth the walk; this many in a row end it. */
const worthwhile = 0.05;
const patience = 4;

/**
 * Fitted parameters by the shiftConv's id, from one walk through the graph. `entries` are the pictures' pixels
 * [1, c, h, w], the integer graph's input, in the order of the data set.
 */
export async function reconstruct(
  integer: Graph,
  layers: readonly ReconstructLayer[],
  entries: readonly Tensor[],
  scene: ReconstructScene,
): Promise<ReadonlyMap<string, FittedLayer>> {
  const folded = foldSample(integer);
  const types = inferTypes(folded);
  const places = placesOf(
    integer,
    folded,
    layers,
    types,
    entries.length,
    createRandom(scene.seed, 11),
  );
  const wanted = await sampledSums(layers, places, scene);
  const [input] = nodesOf(folded, "input");
  const held = new Map<string, readonly Tensor[]>([[input?.id ?? "", entries]]);
  const fitted = new Map<string, FittedLayer>();
  let current = folded;
  let idle = 0;
  for (const [at, layer] of layers.entries()) {
    const place = places.get(layer.id);
    if (place === undefined) throw workError("a layer is not in the graph", { node: layer.id });
    const stage = { held, types, runtime: scene.runtime };
    const fit = await fitLayer(current, layer, place, wanted.get(layer.id) ?? [], stage);
    const gain = fit === undefined ? 0 : 1 - fit.after / fit.before;
    idle = gain < worthwhile ? idle + 1 : 0;
    if (fit !== undefined) {
      fitted.set(layer.id, fit);
      current = withRounded(current, place.node, layer, layer.round(fit.weight, fit.bias));
    }
    scene.onProgress?.({ label: "fit layers", done: at + 1, total: layers.length });
    if (idle >= patience) break;
    held.set(place.node.id, await levelsOf(current, place.node.id, held, types, scene.runtime));
    forget(held, current, place.node.id);
  }
  return fitted;
}

/** Where a layer is sampled: pixels of its own output, per picture. */
type Place = {
  /** In the folded graph. */
  readonly node: Node<"shiftConv">;
  /** How many pixels of the float sum lie between two of the node: 2 where sampling was folded. */
  readonly step: number;
  readonly shape: Nchw;
  /** `row * width + column`, per picture. */
  readonly pixels: readonly Int32Array[];
};

function placesOf(
  integer: Graph,
  folded: Graph,
  layers: readonly ReconstructLayer[],
  types: Types,
  pictures: number,
  random: Random,
): ReadonlyMap<string, Place> {
  const whole = nodeMap(integer);
  // Folding keeps the constants: they tell which node a layer has become.
  const byWeight = new Map(nodesOf(folded, "shiftConv").map((node) => [node.inputs[1], node]));
  const places = new Map<string, Place>();
  for (const { id } of layers) {
    const node = byWeight.get(whole.get(id)?.inputs[1]);
    if (node === undefined) throw workError("a layer is not in the graph", { node: id });
    const shape = asNchw(types.get(node.id)?.shape ?? [], node.id);
    const size = shape[2] * shape[3];
    const each = Math.min(size, pixelsPerPicture, Math.ceil((2 * samplesAtMost) / pictures));
    const pixels = Array.from({ length: pictures }, () =>
      Int32Array.from({ length: each }, () => random.below(size)),
    );
    places.set(id, { node, step: node.id === id ? 1 : 2, shape, pixels });
  }
  return places;
}

/** Per layer and picture the float sums at the layer's pixels: `[pixels, channels]` in the chip's units. */
async function sampledSums(
  layers: readonly ReconstructLayer[],
  places: ReadonlyMap<string, Place>,
  { float, dataset, preprocess, runtime, onProgress }: ReconstructScene,
): Promise<ReadonlyMap<string, readonly Float32Array[]>> {
  const outputs = layers.map(({ sum }) => ({ name: sum, id: sum }));
  const graph = { ...withPictureInput(float, preprocess), outputs };
  const session = await openSession(graph, runtime);
  const found = new Map<string, Float32Array[]>(layers.map(({ id }) => [id, []]));
  let picture = 0;
  try {
    const [inputId = ""] = session.inputs;
    const reading = { batch: 1, readAhead: 2 };
    for await (const { images } of batches(dataset, preprocess, pictureSize(float), reading)) {
      const values = await session.run(new Map([[inputId, images]]));
      for (const layer of layers) {
        const [place, value] = [places.get(layer.id), values.get(layer.sum)];
        const pixels = place?.pixels[picture];
        if (place === undefined || pixels === undefined || value?.dtype !== "float32") continue;
        found.get(layer.id)?.push(gatherSums(value, place, pixels, layer.unit));
      }
      picture += 1;
      onProgress?.({ label: "float sums", done: picture, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return found;
}

function gatherSums(
  value: Tensor<"float32">,
  { step, shape }: Place,
  pixels: Int32Array,
  unit: number,
): Float32Array {
  const [, channels, , width] = shape;
  const [, , h, w] = asNchw(value.shape);
  const sums = new Float32Array(pixels.length * channels);
  for (const [at, pixel] of pixels.entries()) {
    const place = Math.floor(pixel / width) * step * w + (pixel % width) * step;
    for (let channel = 0; channel < channels; channel += 1) {
      sums[at * channels + channel] = (value.data[channel * h * w + place] ?? 0) / unit;
    }
  }
  return sums;
}

type Stage = { readonly held: Held; readonly types: Types; readonly runtime: Runtime };

/** The layer with weights and bias that repair what its sums are wrong by. */
async function fitLayer(
  graph: Graph,
  layer: ReconstructLayer,
  place: Place,
  wanted: readonly Float32Array[],
  { held, types, runtime }: Stage,
): Promise<FittedLayer | undefined> {
  const [, perGroup, kh, kw] = asNchw(layer.weight.shape);
  if (perGroup * kh * kw > featuresAtMost) return undefined;
  const [xId = "", , , identityId] = place.node.inputs;
  const x = await valuesOf(graph, xId, held, types, runtime);
  const identity =
    identityId === undefined ? undefined : await valuesOf(graph, identityId, held, types, runtime);
  const factor = 2 ** (place.node.attrs.identityShift - place.node.attrs.shift);
  const { groups } = place.node.attrs;
  const outputs = layer.bias.length;
  const features = perGroup * kh * kw;
  const targets = outputs / groups;
  const weight = layer.weight.data.slice();
  const bias = layer.bias.slice();
  let [before, after] = [0, 0];
  for (let group = 0; group < groups; group += 1) {
    const part: GroupPart = { layer, place, group, features, targets };
    const samples = x.map((value, picture) => {
      const added = identity?.[picture];
      const sums = wanted[picture] ?? new Float32Array();
      return groupSamples(part, value, added && { value: added, factor }, sums, picture);
    });
    const fit = fitted(samples);
    before += fit.before / groups;
    after += fit.after / groups;
    for (let target = 0; target < targets; target += 1) {
      const output = group * targets + target;
      bias[output] = (bias[output] ?? 0) + (fit.offset[target] ?? 0);
      for (let f = 0; f < features; f += 1) {
        const at = output * features + f;
        weight[at] = (weight[at] ?? 0) + (fit.weight[target * features + f] ?? 0);
      }
    }
  }
  const shape = layer.weight.shape;
  return { weight: { dtype: "float32", shape, data: weight }, bias, before, after };
}

async function valuesOf(
  graph: Graph,
  id: string,
  held: Held,
  types: Types,
  runtime: Runtime,
): Promise<readonly Tensor[]> {
  return held.get(id) ?? (await levelsOf(graph, id, held, types, runtime));
}

type GroupPart = {
  readonly layer: ReconstructLayer;
  readonly place: Place;
  readonly group: number;
  readonly features: number;
  readonly targets: number;
};

/** What one picture says of one group: inputs at the sampled pixels, and what is missing in the sums there. */
function groupSamples(
  { layer, place, group, features, targets }: GroupPart,
  x: Tensor,
  identity: { readonly value: Tensor; readonly factor: number } | undefined,
  wanted: Float32Array,
  picture: number,
): Samples {
  const pixels = place.pixels[picture] ?? new Int32Array();
  const [, channels, height, width] = place.shape;
  const [, perGroup, kh, kw] = asNchw(layer.weight.shape);
  const [, , h, w] = asNchw(x.shape);
  const { stride, pads, dilation } = place.node.attrs;
  const inputs = new Float32Array(pixels.length * features);
  const residual = new Float32Array(pixels.length * targets);
  for (const [at, pixel] of pixels.entries()) {
    const top = Math.floor(pixel / width) * stride[0] - pads[0];
    const left = (pixel % width) * stride[1] - pads[1];
    let to = at * features;
    for (let c = group * perGroup; c < (group + 1) * perGroup; c += 1) {
      for (let i = 0; i < kh; i += 1) {
        for (let j = 0; j < kw; j += 1) {
          const [row, column] = [top + i * dilation[0], left + j * dilation[1]];
          const inside = row >= 0 && row < h && column >= 0 && column < w;
          inputs[to] = inside ? Number(x.data[(c * h + row) * w + column]) : 0;
          to += 1;
        }
      }
    }
    for (let target = 0; target < targets; target += 1) {
      const output = group * targets + target;
      let sum = layer.bias[output] ?? 0;
      for (let f = 0; f < features; f += 1) {
        sum += (layer.weight.data[output * features + f] ?? 0) * (inputs[at * features + f] ?? 0);
      }
      if (identity !== undefined) {
        const place0 = output * height * width + pixel;
        sum += Number(identity.value.data[place0]) * identity.factor;
      }
      residual[at * targets + target] = (wanted[at * channels + output] ?? 0) - sum;
    }
  }
  return { x: inputs, residual, count: pixels.length };
}

/** The correction of all samples. */
function fitted(pictures: readonly Samples[]): Correction {
  const seen = joined(pictures.filter((_, at) => at % judging !== 0));
  const unseen = joined(pictures.filter((_, at) => at % judging === 0));
  return ridgeCorrection(seen, unseen);
}

/** At most `samplesAtMost`, evenly from all pictures. */
function joined(pictures: readonly Samples[]): Samples {
  const total = pictures.reduce((sum, { count }) => sum + count, 0);
  const keep = Math.min(1, samplesAtMost / Math.max(total, 1));
  const parts = pictures.map((one) => cut(one, Math.max(1, Math.floor(one.count * keep))));
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const concat = (of: (part: Samples) => Float32Array): Float32Array => {
    const all = new Float32Array(parts.reduce((sum, part) => sum + of(part).length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(of(part), at);
      at += of(part).length;
    }
    return all;
  };
  return { x: concat(({ x }) => x), residual: concat(({ residual }) => residual), count };
}

function cut({ x, residual, count }: Samples, kept: number): Samples {
  const rows = Math.min(kept, count);
  return {
    x: x.subarray(0, (x.length / Math.max(count, 1)) * rows),
    residual: residual.subarray(0, (residual.length / Math.max(count, 1)) * rows),
    count: rows,
  };
}

/** The graph with the layer's rounded parameters and shift. */
function withRounded(
  graph: Graph,
  node: Node<"shiftConv">,
  { levelsPerUnit }: ReconstructLayer,
  rounded: Rounded,
): Graph {
  const [, weightId, biasId] = node.inputs;
  const { shift } = node.attrs;
  const finer = rounded.shift - Math.log2(levelsPerUnit) - shift;
  const nodes = graph.nodes.map((one): Node => {
    if (one.id === weightId && one.op === "const")
      return { ...one, attrs: { tensor: rounded.weight } };
    if (one.id === biasId && one.op === "const") return { ...one, attrs: { tensor: rounded.bias } };
    if (one.id !== node.id || one.op !== "shiftConv") return one;
    const identityShift = one.attrs.identityShift + finer;
    return { ...one, attrs: { ...one.attrs, shift: shift + finer, identityShift } };
  });
  return { ...graph, nodes };
}
