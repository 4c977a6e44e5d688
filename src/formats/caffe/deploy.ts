/**
 * A training network as the network to deploy: test-time layers only, data layers as inputs, losses
 * as the activation that they contain, and nothing that measures.
 */
import type { OnWarning } from "../../notice.ts";
import { isIncluded, type NetState } from "./phase.ts";
import type { LayerParameter } from "./schema/schema.ts";

/** Layers that give data from outside. Only the first top is data; the others are labels. */
export const dataTypes: ReadonlySet<string> = new Set([
  "AnnotatedData",
  "Data",
  "DummyData",
  "HDF5Data",
  "ImageData",
  "MemoryData",
  "VideoData",
  "WindowData",
]);

/** Losses whose forward pass is an activation that users want. */
const activationOfLoss: { readonly [type: string]: string | undefined } = {
  SoftmaxWithLoss: "Softmax",
  SoftmaxLoss: "Softmax",
  SigmoidCrossEntropyLoss: "Sigmoid",
};

/** Layers that measure, print or discard. */
const measures: ReadonlySet<string> = new Set([
  "Accuracy",
  "ContrastiveLoss",
  "DetectionEvaluate",
  "EuclideanLoss",
  "HDF5Output",
  "HingeLoss",
  "InfogainLoss",
  "MultiBoxLoss",
  "MultinomialLogisticLoss",
  "SmoothL1Loss",
]);

/** The layers to deploy, in order. `Silence` layers stay: they say that a blob is no output. */
export function deployLayers(
  layers: readonly LayerParameter[],
  state: NetState,
  onWarning: OnWarning,
): readonly LayerParameter[] {
  const included = layers.filter((layer) => isIncluded(layer, state));
  const fed = [...missingData(layers, included), ...included];
  return dropDead(dropAuxiliary(fed, onWarning));
}

/** Data layers of the training phase, where no other layer gives a blob that is read. */
function missingData(
  all: readonly LayerParameter[],
  included: readonly LayerParameter[],
): readonly LayerParameter[] {
  const given = new Set(included.flatMap((layer) => layer.top));
  const missing = new Set(included.flatMap((layer) => layer.bottom).filter((id) => !given.has(id)));
  const found: LayerParameter[] = [];
  for (const layer of all) {
    const [top] = layer.top;
    if (top === undefined || !missing.has(top) || !dataTypes.has(layer.type ?? "")) continue;
    found.push(layer);
    missing.delete(top);
  }
  return found;
}

/** Without the softmax losses that count less than the largest one: heads that only help training. */
function dropAuxiliary(
  layers: readonly LayerParameter[],
  onWarning: OnWarning,
): readonly LayerParameter[] {
  const weightOf = (layer: LayerParameter): number => layer.loss_weight[0] ?? 1;
  const losses = layers.filter((layer) => activationOfLoss[layer.type ?? ""] !== undefined);
  const largest = Math.max(...losses.map(weightOf));
  const minor = new Set(losses.filter((layer) => weightOf(layer) < largest));
  if (minor.size === 0) return layers;
  const names = [...minor].map((layer) => layer.name).join(", ");
  onWarning({
    id: "auxiliary-heads",
    message: `losses of less weight are left out, with the layers that only they need: ${names}`,
  });
  return withoutUnread(layers, minor);
}

/** Without these layers and those that, measures apart, only they read. */
function withoutUnread(
  layers: readonly LayerParameter[],
  minor: ReadonlySet<LayerParameter>,
): readonly LayerParameter[] {
  const dropped = new Set(minor);
  const readers = readersOf(layers.filter((layer) => !measures.has(layer.type ?? "")));
  for (const layer of layers.toReversed()) {
    if (layer.bottom.length > 0 && isNeedless(layer, readers, dropped)) dropped.add(layer);
  }
  return layers.filter((layer) => !dropped.has(layer));
}

function readersOf(
  layers: readonly LayerParameter[],
): ReadonlyMap<string, readonly LayerParameter[]> {
  const readers = new Map<string, LayerParameter[]>();
  for (const layer of layers) {
    for (const bottom of new Set(layer.bottom)) {
      const list = readers.get(bottom);
      if (list === undefined) readers.set(bottom, [layer]);
      else list.push(layer);
    }
  }
  return readers;
}

/** True where other layers read the layer's tops, and all of them are dropped. */
function isNeedless(
  layer: LayerParameter,
  readers: ReadonlyMap<string, readonly LayerParameter[]>,
  dropped: ReadonlySet<LayerParameter>,
): boolean {
  const lists = layer.top.map((top) => readers.get(top) ?? []);
  const isOther = (reader: LayerParameter): boolean => reader !== layer;
  return (
    lists.every((list) => list.every((reader) => !isOther(reader) || dropped.has(reader))) &&
    lists.some((list) => list.some(isOther))
  );
}

/** Losses as activations, without layers that measure and all that hangs on labels or on them. */
function dropDead(layers: readonly LayerParameter[]): readonly LayerParameter[] {
  const dead = new Set<string>();
  return layers.flatMap((layer) => {
    const kept = dataTypes.has(layer.type ?? "") ? [layer] : living(layer, layers, dead);
    const lost = kept.length === 0 ? layer.top : kept[0] === layer ? labelsOf(layer) : [];
    for (const top of lost) if (!layer.bottom.includes(top)) dead.add(top);
    return kept;
  });
}

/** The layer as it is deployed: itself, its activation, or nothing. */
function living(
  layer: LayerParameter,
  layers: readonly LayerParameter[],
  dead: ReadonlySet<string>,
): readonly LayerParameter[] {
  const type = layer.type ?? "";
  const activation = activationOfLoss[type];
  if (activation !== undefined) {
    return hasActivation(layers, layer, activation) ? [] : [asActivation(layer, activation)];
  }
  return measures.has(type) || layer.bottom.some((blob) => dead.has(blob)) ? [] : [layer];
}

function labelsOf(layer: LayerParameter): readonly string[] {
  return dataTypes.has(layer.type ?? "") ? layer.top.slice(1) : [];
}

/** True where the network already has this activation of what the loss reads. */
function hasActivation(
  layers: readonly LayerParameter[],
  loss: LayerParameter,
  activation: string,
): boolean {
  return layers.some((layer) => layer.type === activation && layer.bottom[0] === loss.bottom[0]);
}

/** The second top of a softmax loss is the softmax; otherwise the loss's own name serves. */
function asActivation(loss: LayerParameter, type: string): LayerParameter {
  const top = loss.top[1] ?? loss.top[0] ?? loss.name ?? type;
  return { ...loss, type, bottom: loss.bottom.slice(0, 1), top: [top], loss_weight: [] };
}
