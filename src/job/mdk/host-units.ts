/**
 * Layers of the host behind a network in the chip's units: a Scale layer in front of each gives it the real values that
 * it was trained on.
 */

import { caffeSchema, type LayerParameter } from "../../formats/caffe/schema/schema.ts";
import { create } from "../../protobuf/create.ts";
import type { GainRow } from "./edit-gains.ts";
import { structureOf } from "./structure.ts";
import { type TrainNet, testLayers } from "./train-net.ts";

/** A layer of the host that reads the chip's values, and the factor that makes them real. */
export type HostUnit = { readonly layer: LayerParameter; readonly factor: number };

/** Host layers that read capped values of one unit, which is not 1. */
export function hostUnits(trainNet: TrainNet, rows: readonly GainRow[]): readonly HostUnit[] {
  const { relus, hostReaders } = structureOf(testLayers(trainNet));
  const units = new Map(rows.map(({ activation, unit }) => [activation, unit]));
  return hostReaders.flatMap(({ layer, caps }) => {
    const found = new Set(caps.map((at) => units.get(relus[at]?.name ?? "")));
    const [factor] = found;
    return found.size === 1 && factor !== undefined && factor !== 1 ? [{ layer, factor }] : [];
  });
}

/**
 * The network with a frozen Scale layer `NAME_unit`, of one factor for all values, in front of each of these layers'
 * first bottom.
 */
export function withHostUnits(trainNet: TrainNet, units: readonly HostUnit[]): TrainNet {
  const factors = new Map(units.map(({ layer, factor }) => [layer, factor]));
  const taken = new Set(trainNet.net.layer.flatMap(({ name = "", top }) => [name, ...top]));
  const added: LayerParameter[] = [];
  const layer = trainNet.net.layer.flatMap((one): readonly LayerParameter[] => {
    const factor = factors.get(one);
    if (factor === undefined) return [one];
    const [blob = "", ...others] = one.bottom;
    const name = freshName(`${one.name ?? one.type}_unit`, taken);
    const scale = scaleLayer(name, blob, factor);
    added.push(withFactor(scale, factor));
    return [
      { ...scale, include: one.include, exclude: one.exclude },
      { ...one, bottom: [name, ...others] },
    ];
  });
  const { net, weights } = trainNet;
  return {
    ...trainNet,
    net: { ...net, layer },
    weights: { ...weights, layer: [...weights.layer, ...added] },
  };
}

function freshName(base: string, taken: Set<string>): string {
  let name = base;
  for (let count = 2; taken.has(name); count += 1) name = `${base}${count}`;
  taken.add(name);
  return name;
}

/** `num_axes` 0: one factor, whatever the blob's shape. Neither learning nor decay changes it. */
function scaleLayer(name: string, bottom: string, factor: number): LayerParameter {
  return create(caffeSchema, "LayerParameter", {
    name,
    type: "Scale",
    bottom: [bottom],
    top: [name],
    param: [{ lr_mult: 0, decay_mult: 0 }],
    scale_param: { axis: 0, num_axes: 0, filler: { value: factor } },
  });
}

function withFactor(layer: LayerParameter, factor: number): LayerParameter {
  return create(caffeSchema, "LayerParameter", {
    ...layer,
    blobs: [{ shape: { dim: [] }, data: Float32Array.of(factor) }],
  });
}
