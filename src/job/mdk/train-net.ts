/**
 * A training network as the MDK's scripts edit it: the prototxt's layers and the caffemodel's blobs, side by side, read
 * from bytes and written to bytes. Editing works on messages, so that the comments of a prototxt are lost.
 */
import { inputError } from "../../error.ts";
import {
  type NamedBytes,
  readCaffemodel,
  readPrototxt,
  writeCaffemodel,
  writePrototxt,
} from "../../formats/caffe/files.ts";
import { isIncluded } from "../../formats/caffe/phase.ts";
import { readCaffe } from "../../formats/caffe/read.ts";
import type { LayerParameter, NetParameter } from "../../formats/caffe/schema/schema.ts";
import { upgradeLayers } from "../../formats/caffe/upgrade.ts";
import { blobTensor } from "../../formats/caffe/weights.ts";
import type { Graph } from "../../ir/graph.ts";
import type { OnWarning } from "../../notice.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";

export type TrainNet = {
  /** Names of the files, for errors. */
  readonly files: { readonly prototxt: string; readonly caffemodel: string };
  readonly net: NetParameter;
  readonly weights: NetParameter;
};

/** Reads both files. Throws where they are damaged, or the network has no layers of today's form. */
export function readTrainNet(
  prototxt: NamedBytes,
  caffemodel: NamedBytes,
  onWarning: OnWarning,
): TrainNet {
  const net = readPrototxt("NetParameter", prototxt, onWarning);
  if (net.layer.length === 0) {
    throw inputError("the prototxt has no layers", {
      where: prototxt.name,
      hint: "Is it a network, and not a solver?",
    });
  }
  const trained = readCaffemodel(caffemodel);
  const weights = { ...trained, layers: [], layer: upgradeLayers(trained, caffemodel.name) };
  return { files: { prototxt: prototxt.name, caffemodel: caffemodel.name }, net, weights };
}

/** The layers of the network at test time, as the prototxt has them. */
export function testLayers({ net }: TrainNet): readonly LayerParameter[] {
  const state = { level: net.state?.level ?? 0, stages: net.state?.stage ?? [] };
  return net.layer.filter((layer) => isIncluded(layer, state));
}

/** `QuantReLU "relu1"`, for errors. */
export function labelOf(layer: LayerParameter): string {
  return `${layer.type ?? "layer"} "${layer.name ?? ""}"`;
}

/** The layer's trained blobs; undefined where the caffemodel has none. */
export function blobsOf(
  { weights, files }: TrainNet,
  layer: LayerParameter,
): readonly Tensor<"float32">[] | undefined {
  const found = weights.layer.find(({ name, blobs }) => name === layer.name && blobs.length > 0);
  return found?.blobs.map((blob, at) =>
    blobTensor(blob, `${files.caffemodel}: ${labelOf(layer)} blob ${at}`),
  );
}

/** One layer's new form, and its new blobs where they change. */
export type Edit = {
  readonly layer: LayerParameter;
  readonly blobs?: readonly Tensor<"float32">[];
};

/**
 * The network with edited layers, found by name and type (twins of the other phase are edited too), and their blobs;
 * `undefined` removes the layer from both.
 */
export function edited(
  trainNet: TrainNet,
  edits: ReadonlyMap<LayerParameter, Edit | undefined>,
): TrainNet {
  const byName = new Map([...edits].map(([layer, edit]) => [keyOf(layer), edit]));
  const { net, weights } = trainNet;
  const layer = net.layer.flatMap((one): readonly LayerParameter[] => {
    const edit = byName.get(keyOf(one));
    if (edit === undefined) return byName.has(keyOf(one)) ? [] : [one];
    // A twin keeps what makes it one.
    return [{ ...edit.layer, include: one.include, exclude: one.exclude }];
  });
  return { ...trainNet, net: { ...net, layer }, weights: editedWeights(weights, edits) };
}

function keyOf({ type, name }: LayerParameter): string {
  return `${type ?? ""} ${name ?? ""}`;
}

/** The caffemodel's layers, found by name alone, as Caffe does: it may come from a network of other types. */
function editedWeights(
  weights: NetParameter,
  edits: ReadonlyMap<LayerParameter, Edit | undefined>,
): NetParameter {
  const byName = new Map([...edits].map(([{ name = "" }, edit]) => [name, edit]));
  const present = new Set(weights.layer.map(({ name = "" }) => name));
  const kept = weights.layer.flatMap((one): readonly LayerParameter[] => {
    const { name = "" } = one;
    const edit = byName.get(name);
    if (edit !== undefined) return [withBlobs(edit, one.blobs)];
    return byName.has(name) ? [] : [one];
  });
  const added = [...byName].flatMap(([name, edit]) =>
    edit?.blobs === undefined || present.has(name) ? [] : [withBlobs(edit, [])],
  );
  return { ...weights, layer: [...kept, ...added] };
}

function withBlobs({ layer, blobs }: Edit, before: LayerParameter["blobs"]): LayerParameter {
  if (blobs === undefined) return { ...layer, blobs: before };
  return {
    ...layer,
    blobs: blobs.map(({ shape, data }) => ({
      shape: { dim: shape },
      ...{ data, diff: new Float32Array(0) },
      ...{ double_data: new Float64Array(0), double_diff: new Float64Array(0) },
    })),
  };
}

/** The network with every layer of the prototxt mapped; the weights stay. */
export function mapLayers(
  trainNet: TrainNet,
  change: (layer: LayerParameter) => LayerParameter,
): TrainNet {
  const { net } = trainNet;
  return { ...trainNet, net: { ...net, layer: net.layer.map(change) } };
}

/** Both files, as they are to be written. */
export function writeTrainNet({ net, weights }: TrainNet): {
  readonly prototxt: string;
  readonly caffemodel: Uint8Array;
} {
  return {
    prototxt: writePrototxt("NetParameter", net),
    caffemodel: writeCaffemodel(weights),
  };
}

/**
 * The graph at test time, read from the bytes that would be written, with this data layer as its only input. Node ids are
 * layer names.
 */
export function graphOf(
  trainNet: TrainNet,
  data: LayerParameter,
  inputShape: Shape,
  onWarning?: OnWarning,
): Graph {
  const tops = new Set(data.top);
  const { net, files } = trainNet;
  const layer = net.layer.filter(
    (one) => one.bottom.length > 0 || !one.top.some((top) => tops.has(top)),
  );
  const own = dataOf(trainNet, data);
  const both = writeTrainNet({
    ...trainNet,
    net: { ...net, layer: [{ ...own, include: [], exclude: [] }, ...layer] },
  });
  return readCaffe({
    prototxt: { name: files.prototxt, bytes: new TextEncoder().encode(both.prototxt) },
    caffemodel: { name: files.caffemodel, bytes: both.caffemodel },
    inputShape,
    ...(onWarning && { onWarning }),
  });
}

/** The data layer as it is now, of the same phase. */
function dataOf({ net }: TrainNet, data: LayerParameter): LayerParameter {
  const phases = (layer: LayerParameter): string =>
    layer.include.map(({ phase }) => phase ?? "").join();
  return (
    net.layer.find((one) => keyOf(one) === keyOf(data) && phases(one) === phases(data)) ?? data
  );
}
