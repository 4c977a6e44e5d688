/**
 * Layers to graph: blobs, which in-place layers overwrite, become values that never change; a blob
 * name stands for the value it had last. What no layer reads is an output.
 */
import { inputError } from "../../error.ts";
import type { Graph, Output } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import type { OnWarning } from "../../notice.ts";
import { suggestion } from "../../protobuf/nearest.ts";
import type { Shape } from "../../tensor/shape.ts";
import {
  type Builder,
  emit,
  type LayerContext,
  type LayerImporter,
  type TrainingRecord,
} from "./context.ts";
import { dataTypes } from "./deploy.ts";
import { activationImporters } from "./import-activation.ts";
import { kernelImporters } from "./import-conv.ts";
import { inputShape, transformed } from "./import-input.ts";
import { normImporters } from "./import-norm.ts";
import { poolImporters } from "./import-pool.ts";
import { shapeImporters } from "./import-shape.ts";
import { ssdImporters } from "./import-ssd.ts";
import type { LayerParameter } from "./schema/schema.ts";
import type { WeightStore } from "./weights.ts";

const importers: ReadonlyMap<string, LayerImporter> = new Map(
  [
    activationImporters,
    kernelImporters,
    normImporters,
    poolImporters,
    shapeImporters,
    ssdImporters,
  ].flatMap((group) => Object.entries(group)),
);

/** The value behind each blob name, and whether a layer has read it. */
type Blobs = Map<string, { readonly id: string; readonly isData: boolean; read: boolean }>;

export type BuildOptions = {
  readonly name: string;
  /** Shape of the first input, where it is not to be the declared one. */
  readonly inputShape: Shape | undefined;
  readonly onWarning: OnWarning;
  /** Where the network is not one to deploy. */
  readonly training?: TrainingBuild | undefined;
};

export type TrainingBuild = {
  readonly record: TrainingRecord;
  /** Layers that only training has: losses and measures. */
  readonly importers: ReadonlyMap<string, LayerImporter>;
  /**
   * Shape of top `index` of an Input or data layer, whose tops are all inputs; `first` is the shape of its first top.
   * Undefined where it is the declared one.
   */
  readonly inputShape: (
    layer: LayerParameter,
    index: number,
    first: Shape | undefined,
  ) => Shape | undefined;
  /** Hears of every other layer and its nodes, in order. */
  readonly onLayer: (layer: LayerParameter, nodes: readonly Node[]) => void;
};

/** The graph of layers in order. Throws the first layer that is unknown or contradicts its inputs. */
export function buildGraph(
  layers: readonly LayerParameter[],
  store: WeightStore,
  options: BuildOptions,
): Graph {
  const { onWarning, training } = options;
  const builder: Builder = {
    ...{ nodes: [], types: new Map(), store, onWarning },
    training: training?.record,
  };
  const blobs: Blobs = new Map();
  layers.forEach((layer, index) => {
    if (layer.type === "Input" || dataTypes.has(layer.type ?? "")) {
      addInputs(builder, blobs, layer, layers, options);
      return;
    }
    const before = builder.nodes.length;
    addLayer(builder, blobs, layer, index, training?.importers);
    training?.onLayer(layer, builder.nodes.slice(before));
  });
  return { name: options.name, nodes: builder.nodes, outputs: outputsOf(blobs), opsets: {} };
}

/** Values that nothing reads, but no unread data. */
function outputsOf(blobs: Blobs): readonly Output[] {
  return [...blobs]
    .filter(([, blob]) => !blob.read && !blob.isData)
    .map(([name, { id }]) => ({ name, id }));
}

/**
 * One graph input per top, named as the blob. Of a data layer only the first top is data; its others are inputs in
 * training alone.
 */
function addInputs(
  builder: Builder,
  blobs: Blobs,
  layer: LayerParameter,
  layers: readonly LayerParameter[],
  { inputShape: wanted, training }: BuildOptions,
): void {
  const isData = layer.type !== "Input";
  const tops = isData && training === undefined ? layer.top.slice(0, 1) : layer.top;
  let first: Shape | undefined;
  for (const [index, top] of tops.entries()) {
    const isFirst = !builder.nodes.some((node) => node.op === "input");
    const shape =
      training?.inputShape(layer, index, first) ??
      (isFirst && wanted !== undefined ? wanted : inputShape(layer, index, layers, builder.store));
    first ??= shape;
    const context = { builder, layer, name: top, label: `input "${top}"`, inputs: [] };
    const id = emit(context, "input", [], { dtype: "float32", shape });
    const value = isData && index > 0 ? id : transformed(context, id);
    blobs.set(top, { id: value, isData: true, read: false });
  }
}

function addLayer(
  builder: Builder,
  blobs: Blobs,
  layer: LayerParameter,
  index: number,
  more: ReadonlyMap<string, LayerImporter> | undefined,
): void {
  const name = layer.name || layer.top[0] || `layer${index}`;
  const label = `${layer.type ?? "layer"} "${name}"`;
  const inputs = layer.bottom.map((bottom) => {
    const blob = blobs.get(bottom);
    if (blob === undefined) {
      throw inputError("reads a blob that no earlier layer gives", {
        node: label,
        got: `"${bottom}"`,
        hint: suggestion(bottom, blobs.keys()),
      });
    }
    blob.read = true;
    return blob.id;
  });
  if (layer.type === "Silence") return;
  const tops = importLayer({ builder, layer, name, label, inputs }, more);
  layer.top.forEach((top, at) => {
    if (at >= tops.length) {
      throw inputError("the layer has more tops than it can give", {
        node: label,
        expected: `${tops.length}`,
        got: `${layer.top.length}`,
      });
    }
    blobs.delete(top);
    const id = tops[at];
    if (id !== undefined) blobs.set(top, { id, isData: false, read: false });
  });
}

function importLayer(
  context: LayerContext,
  more: ReadonlyMap<string, LayerImporter> | undefined,
): ReturnType<LayerImporter> {
  const type = context.layer.type ?? "";
  const importer = more?.get(type) ?? importers.get(type);
  if (importer !== undefined) return importer(context);
  throw inputError("the layer's type is not supported", {
    node: context.label,
    got: `"${type}"`,
    hint: suggestion(type, importers.keys()) ?? "Replace it by supported layers, or cut it off",
  });
}
