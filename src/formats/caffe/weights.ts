/**
 * Weights of layers: blobs matched to layers by name, checked against the shape that the layer needs,
 * and filled where the prototxt says with which constant.
 */
import { inputError } from "../../error.ts";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { type Filler, fillBlob, fillFixed } from "./fillers.ts";
import type { BlobProto, LayerParameter } from "./schema/schema.ts";

/** The blobs of a file by layer name, and who shares whose. Collects what is missing. */
export type WeightStore = {
  /** Undefined where no weights were given at all. */
  readonly blobs: ReadonlyMap<string, readonly BlobProto[]> | undefined;
  /** First layer with this parameter name: the owner of shared weights. */
  readonly owners: ReadonlyMap<string, string>;
  readonly used: Set<string>;
  /** Layers that have no weights: neither in the file nor by a constant filler. */
  readonly missing: Set<string>;
  /** Layers whose weights come from a filler. */
  readonly filled: Set<string>;
  /** Where random fillers are thrown, too: what they depend on. Undefined: such weights are missing. */
  readonly seed: number | undefined;
  /** Values that a seed made up for named parameters, which other layers may share. */
  readonly shared: Map<string, Float32Array>;
  /** Layers whose blobs in the file do not fit and are made up instead; undefined where that is an error. */
  readonly unfit: Set<string> | undefined;
  /** How many values may still be made up, by fillers or as zeros. */
  room: number;
};

/** Weights that no file backs are bounded: 800 MB. */
const maxMadeUp = 200_000_000;

/**
 * The weights of a file for these layers. With a `seed`, what the file does not have is made up by any filler, and as
 * zeros where there is none: initial values for training, a function of the seed, the layer's name and the blob's index.
 */
export function weightStore(
  layers: readonly LayerParameter[],
  trained: readonly LayerParameter[] | undefined,
  options: {
    readonly seed?: number | undefined;
    /** Whether a layer whose blobs have other shapes is made up. */
    readonly ignoreMismatch?: boolean | undefined;
  } = {},
): WeightStore {
  const blobs = new Map<string, readonly BlobProto[]>();
  for (const layer of trained ?? []) {
    const name = layer.name ?? "";
    if (layer.blobs.length > 0 && !blobs.has(name)) blobs.set(name, layer.blobs);
  }
  const found = trained === undefined ? undefined : blobs;
  return {
    blobs: found,
    owners: ownersOf(layers),
    used: new Set(),
    missing: new Set(),
    filled: new Set(),
    seed: options.seed,
    shared: new Map(),
    unfit: options.ignoreMismatch === true ? new Set() : undefined,
    room: maxMadeUp,
  };
}

function ownersOf(layers: readonly LayerParameter[]): WeightStore["owners"] {
  const owners = new Map<string, string>();
  for (const layer of layers) {
    for (const { name } of layer.param) {
      if (name && !owners.has(name)) owners.set(name, layer.name ?? "");
    }
  }
  return owners;
}

/** A weight that a layer needs. */
export type WeightSpec = {
  readonly index: number;
  /** How many blobs the layer has. */
  readonly count: number;
  readonly shape: Shape;
  readonly filler?: Filler | undefined;
};

/** Blob `index` of the layer as float32 of the wanted shape. Throws where file and layer differ. */
export function layerWeight(
  store: WeightStore,
  layer: LayerParameter,
  spec: WeightSpec,
): Tensor<"float32"> {
  const name = layer.name ?? "";
  const owner = store.owners.get(layer.param[spec.index]?.name ?? "") ?? name;
  const blobs = store.blobs?.get(name) ?? store.blobs?.get(owner);
  if (blobs === undefined || store.unfit?.has(name)) return withoutBlob(store, layer, spec);
  store.used.add(name).add(owner);
  const label = `${layer.type} "${name}"`;
  const blob = blobs[spec.index];
  const isCounted = blob !== undefined && blobs.length === spec.count;
  const found = isCounted ? blobTensor(blob, `${label} blob ${spec.index}`) : undefined;
  if (found !== undefined && isSameShape(found.shape, spec.shape)) {
    return float32(spec.shape, found.data);
  }
  if (store.unfit !== undefined) {
    store.unfit.add(name);
    return withoutBlob(store, layer, spec);
  }
  const more =
    store.seed === undefined ? "" : "; with --ignore-shape-mismatch the layer starts anew";
  if (found === undefined) {
    throw inputError("the layer has another number of weight blobs in the file", {
      node: label,
      expected: `${spec.count}`,
      got: `${blobs.length}`,
      hint: `Prototxt and caffemodel do not belong together, or bias_term differs${more}`,
    });
  }
  throw inputError("the weights in the file have another shape than the layer needs", {
    node: `${label} blob ${spec.index}`,
    expected: formatShape(spec.shape),
    got: formatShape(found.shape),
    hint: `Prototxt and caffemodel do not belong together, or the input size differs${more}`,
  });
}

function withoutBlob(
  store: WeightStore,
  layer: LayerParameter,
  spec: WeightSpec,
): Tensor<"float32"> {
  const name = layer.name ?? "";
  if (store.seed !== undefined) return float32(spec.shape, initial(store, store.seed, layer, spec));
  takeRoom(store, name, spec.shape);
  const data = spec.filler && fillFixed(spec.filler, spec.shape, `layer "${name}"`);
  (data === undefined ? store.missing : store.filled).add(name);
  return float32(spec.shape, data ?? new Float32Array(elementCount(spec.shape)));
}

/** Initial values for training. A shared parameter has those of its owner, the first layer that names it. */
function initial(
  store: WeightStore,
  seed: number,
  layer: LayerParameter,
  { index, shape, filler }: WeightSpec,
): Float32Array {
  const [name, parameter] = [layer.name ?? "", layer.param[index]?.name ?? ""];
  store.filled.add(name);
  const owned = store.shared.get(parameter);
  if (owned !== undefined) return sameCount(owned, shape, `layer "${name}"`, parameter);
  takeRoom(store, name, shape);
  const given = filler ?? ownFiller(layer, index);
  const data = fillBlob(given, shape, seed, `${name}/${index}`, `layer "${name}"`);
  if (parameter !== "") store.shared.set(parameter, data);
  return data;
}

/** What Caffe's layers take where the prototxt gives no filler. */
function ownFiller(layer: LayerParameter, index: number): Filler {
  // With two bottoms a Scale learns no factor, and its only blob is the bias.
  const factor = layer.type === "Scale" && layer.bottom.length === 1 && index === 0;
  if (factor || layer.type === "Normalize") return { value: 1 };
  return { value: layer.type === "PReLU" ? 0.25 : 0 };
}

function sameCount(
  data: Float32Array,
  shape: Shape,
  node: string,
  parameter: string,
): Float32Array {
  if (data.length === elementCount(shape)) return data;
  throw inputError(`the layers that share parameter "${parameter}" need different sizes`, {
    node,
    expected: `${data.length} values`,
    got: formatShape(shape),
  });
}

function takeRoom(store: WeightStore, name: string, shape: Shape): void {
  store.room -= elementCount(shape);
  if (store.room >= 0) return;
  throw inputError("the network is too large to make up its weights", {
    node: `layer "${name}"`,
    expected: `at most ${maxMadeUp} values`,
    hint: "Give its caffemodel",
  });
}

/** The shape that a blob states: `shape`, or the four numbers of 2013. */
export function blobShape(blob: BlobProto): Shape {
  if (blob.shape !== undefined) return blob.shape.dim;
  const { num, channels, height, width } = blob;
  if ((num ?? channels ?? height ?? width) === undefined) return [];
  return [num ?? 0, channels ?? 0, height ?? 0, width ?? 0];
}

/** A blob's values. Throws where they are not as many as its shape says. */
export function blobTensor(blob: BlobProto, node: string): Tensor<"float32"> {
  const shape = blobShape(blob);
  const data = blob.data.length > 0 ? blob.data : Float32Array.from(blob.double_data);
  const count = elementCount(shape);
  if (count !== data.length) {
    throw inputError("the blob's shape and its number of values differ", {
      node,
      expected: `${formatShape(shape)} = ${count}`,
      got: `${data.length}`,
    });
  }
  return float32(shape, data);
}

/** Whether two shapes are the same but for dimensions of 1: old files have always four. */
function isSameShape(a: Shape, b: Shape): boolean {
  return formatShape(squeeze(a)) === formatShape(squeeze(b));
}

function squeeze(shape: Shape): Shape {
  return shape.filter((dim) => dim !== 1);
}
