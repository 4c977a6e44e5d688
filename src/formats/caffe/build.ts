/**
 * Layers to graph: blobs, which in-place layers overwrite, become values that never change; a blob
 * name stands for the value it had last. What no layer reads is an output.
 */
import { inputError } from "../../error.ts";
import type { Graph, Output } from "../../ir/graph.ts";
import type { OnWarning } from "../../notice.ts";
import { suggestion } from "../../protobuf/nearest.ts";
import type { Shape } from "../../tensor/shape.ts";
import { type Builder, emit, type LayerContext, type LayerImporter } from "./context.ts";
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
};

/** The graph of layers in order. Throws the first layer that is unknown or contradicts its inputs. */
export function buildGraph(
  layers: readonly LayerParameter[],
  store: WeightStore,
  options: BuildOptions,
): Graph {
  const builder: Builder = { nodes: [], types: new Map(), store, onWarning: options.onWarning };
  const blobs: Blobs = new Map();
  layers.forEach((layer, index) => {
    if (layer.type === "Input" || dataTypes.has(layer.type ?? "")) {
      addInputs(builder, blobs, layer, layers, options.inputShape);
    } else addLayer(builder, blobs, layer, index);
  });
  return { name: options.name, nodes: builder.nodes, outputs: outputsOf(blobs), opsets: {} };
}

/** Values that nothing reads, but no unread data. */
function outputsOf(blobs: Blobs): readonly Output[] {
  return [...blobs]
    .filter(([, blob]) => !blob.read && !blob.isData)
    .map(([name, { id }]) => ({ name, id }));
}

/** One graph input per top, named as the blob. Of a data layer only the first top is data. */
function addInputs(
  builder: Builder,
  blobs: Blobs,
  layer: LayerParameter,
  layers: readonly LayerParameter[],
  wanted: Shape | undefined,
): void {
  const tops = layer.type === "Input" ? layer.top : layer.top.slice(0, 1);
  for (const [index, top] of tops.entries()) {
    const isFirst = !builder.nodes.some((node) => node.op === "input");
    const shape =
      isFirst && wanted !== undefined ? wanted : inputShape(layer, index, layers, builder.store);
    const context = { builder, layer, name: top, label: `input "${top}"`, inputs: [] };
    const id = emit(context, "input", [], { dtype: "float32", shape });
    blobs.set(top, { id: transformed(context, id), isData: true, read: false });
  }
}

function addLayer(builder: Builder, blobs: Blobs, layer: LayerParameter, index: number): void {
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
  const tops = importLayer({ builder, layer, name, label, inputs });
  layer.top.forEach((top, at) => {
    const id = tops[at];
    if (id === undefined) {
      throw inputError("the layer has more tops than it can give", {
        node: label,
        expected: `${tops.length}`,
        got: `${layer.top.length}`,
      });
    }
    blobs.delete(top);
    blobs.set(top, { id, isData: false, read: false });
  });
}

function importLayer(context: LayerContext): readonly string[] {
  const type = context.layer.type ?? "";
  const importer = importers.get(type);
  if (importer !== undefined) return importer(context);
  throw inputError("the layer's type is not supported", {
    node: context.label,
    got: `"${type}"`,
    hint: suggestion(type, importers.keys()) ?? "Replace it by supported layers, or cut it off",
  });
}
