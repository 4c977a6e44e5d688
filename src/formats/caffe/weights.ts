/**
 * Weights of layers: blobs matched to layers by name, checked against the shape that the layer needs,
 * and filled where the prototxt says with which constant.
 */
import { inputError } from "../../error.ts";
import type { MessageInit } from "../../protobuf/schema.ts";
import { elementCount, formatShape, type Shape } from "../../tensor/shape.ts";
import { float32, type Tensor } from "../../tensor/tensor.ts";
import { type BlobProto, type CaffeSchema, type LayerParameter, setting } from "./schema/schema.ts";

/** The blobs of a file by layer name, and who shares whose. Collects what is missing. */
export type WeightStore = {
  /** Undefined where no weights were given at all. */
  readonly blobs: ReadonlyMap<string, readonly BlobProto[]> | undefined;
  /** First layer with this parameter name: the owner of shared weights. */
  readonly owners: ReadonlyMap<string, string>;
  readonly used: Set<string>;
  /** Layers that have no weights: neither in the file nor by a constant filler. */
  readonly missing: Set<string>;
  /** Layers whose weights come from a constant filler. */
  readonly filled: Set<string>;
  /** How many values may still be made up, by fillers or as zeros. */
  room: number;
};

/** Weights that no file backs are bounded: 800 MB. */
const maxMadeUp = 200_000_000;

export function weightStore(
  layers: readonly LayerParameter[],
  trained: readonly LayerParameter[] | undefined,
): WeightStore {
  const owners = new Map<string, string>();
  for (const layer of layers) {
    for (const { name } of layer.param) {
      if (name && !owners.has(name)) owners.set(name, layer.name ?? "");
    }
  }
  const blobs = new Map<string, readonly BlobProto[]>();
  for (const layer of trained ?? []) {
    const name = layer.name ?? "";
    if (layer.blobs.length > 0 && !blobs.has(name)) blobs.set(name, layer.blobs);
  }
  const found = trained === undefined ? undefined : blobs;
  return {
    blobs: found,
    owners,
    used: new Set(),
    missing: new Set(),
    filled: new Set(),
    room: maxMadeUp,
  };
}

/** A weight that a layer needs. */
export type WeightSpec = {
  readonly index: number;
  /** How many blobs the layer has. */
  readonly count: number;
  readonly shape: Shape;
  readonly filler?: MessageInit<CaffeSchema, "FillerParameter"> | undefined;
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
  if (blobs === undefined) return withoutBlob(store, name, spec);
  store.used.add(name).add(owner);
  const label = `${layer.type} "${name}"`;
  const blob = blobs[spec.index];
  if (blob === undefined || blobs.length !== spec.count) {
    throw inputError("the layer has another number of weight blobs in the file", {
      node: label,
      expected: `${spec.count}`,
      got: `${blobs.length}`,
      hint: "Prototxt and caffemodel do not belong together, or bias_term differs",
    });
  }
  return fittedBlob(blob, spec.shape, `${label} blob ${spec.index}`);
}

function withoutBlob(store: WeightStore, name: string, spec: WeightSpec): Tensor<"float32"> {
  store.room -= elementCount(spec.shape);
  if (store.room < 0) {
    throw inputError("the network is too large to make up its weights", {
      node: `layer "${name}"`,
      expected: `at most ${maxMadeUp} values`,
      hint: "Give its caffemodel",
    });
  }
  const data = fill(spec.filler, spec.shape, name);
  (data === undefined ? store.missing : store.filled).add(name);
  return float32(spec.shape, data ?? new Float32Array(elementCount(spec.shape)));
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

/** The blob in the wanted shape; dimensions of 1 may differ (old files have always four). */
function fittedBlob(blob: BlobProto, shape: Shape, node: string): Tensor<"float32"> {
  const found = blobTensor(blob, node);
  if (formatShape(squeeze(found.shape)) !== formatShape(squeeze(shape))) {
    throw inputError("the weights in the file have another shape than the layer needs", {
      node,
      expected: formatShape(shape),
      got: formatShape(found.shape),
      hint: "Prototxt and caffemodel do not belong together, or the input size differs",
    });
  }
  return float32(shape, found.data);
}

function squeeze(shape: Shape): Shape {
  return shape.filter((dim) => dim !== 1);
}

/** Values of a filler that is no dice: constant, constant_array or bilinear; undefined otherwise. */
function fill(filler: WeightSpec["filler"], shape: Shape, name: string): Float32Array | undefined {
  if (filler === undefined) return undefined;
  const type = setting("FillerParameter", filler, "type");
  const count = elementCount(shape);
  const values = filler.value_array ?? [];
  if (type === "constant_array") {
    if (values.length > 0 && count % values.length === 0) {
      return Float32Array.from({ length: count }, (_, at) => values[at % values.length] ?? 0);
    }
    throw inputError("value_array must fill the weights a whole number of times", {
      node: `layer "${name}"`,
      expected: `a divisor of ${count} values`,
      got: `${values.length}`,
    });
  }
  if (values.length > 0) {
    throw inputError("a filler with value_array is of type constant_array", {
      node: `layer "${name}"`,
      got: `"${type}"`,
    });
  }
  if (type === "constant") {
    return new Float32Array(count).fill(setting("FillerParameter", filler, "value"));
  }
  return type === "bilinear" ? bilinearKernel(shape) : undefined;
}

/**
 * Caffe's bilinear filler: the same tent in every kernel of a square [.., .., k, k] blob. Builds of
 * before 2017 set the top of the tent aside where k is odd.
 */
function bilinearKernel(shape: Shape): Float32Array {
  const k = shape.at(-1) ?? 1;
  const factor = Math.ceil(k / 2);
  const centre = (k - 1) / (2 * factor);
  const tent = (at: number): number => 1 - Math.abs(at / factor - centre);
  return Float32Array.from(
    { length: elementCount(shape) },
    (_, at) => tent(at % k) * tent(Math.floor(at / k) % (shape.at(-2) ?? 1)),
  );
}
