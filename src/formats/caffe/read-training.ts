/**
 * Caffe's prototxt, and a caffemodel to begin with, as a network to train or to test: every layer as it is, data and
 * labels as inputs, losses and measures as records. Nothing is folded.
 */
import { inputError } from "../../error.ts";
import type { Graph, Output } from "../../ir/graph.ts";
import { freshId } from "../../ir/graph.ts";
import type { Node } from "../../ir/ops.ts";
import type { TrainingNetwork } from "../../ir/training.ts";
import { type OnWarning, silent } from "../../notice.ts";
import type { Shape } from "../../tensor/shape.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { buildGraph, type TrainingBuild } from "./build.ts";
import type { TrainingRecord } from "./context.ts";
import { type NamedBytes, readCaffemodel, readPrototxt } from "./files.ts";
import { isLoss, type Measures, measureImporters } from "./import-loss.ts";
import { isIncluded, type Phase } from "./phase.ts";
import { layersOf, list } from "./read.ts";
import type { LayerParameter, NetParameter } from "./schema/schema.ts";
import { type LayerNodes, learnedBlobs } from "./training-parameters.ts";
import { type WeightStore, weightStore } from "./weights.ts";

/** Which network of a prototxt is meant. */
export type TrainingNetOptions = {
  readonly prototxt: NamedBytes;
  readonly phase: Phase;
  /** For include and exclude rules; stages besides those that the network states. */
  readonly level?: number | undefined;
  readonly stages?: readonly string[] | undefined;
  readonly onWarning?: OnWarning | undefined;
};

export type ReadTrainingOptions = TrainingNetOptions & {
  /** Initial weights, matched by layer name. What it does not have comes from fillers. */
  readonly caffemodel?: NamedBytes | undefined;
  /**
   * Shapes of inputs by top, over the declared ones. Data layers may not tell the size of their pictures [n, c, h, w];
   * their other tops are labels [n].
   */
  readonly inputShapes?: ReadonlyMap<string, Shape> | undefined;
  /**
   * Random fillers are a function of it and of the blob's key. Without it nothing is drawn: what a network that gets its
   * values from a state would not use.
   */
  readonly seed?: number | undefined;
  /** Whether a layer whose blobs have other shapes in the caffemodel starts from its fillers, with a warning. */
  readonly ignoreShapeMismatch?: boolean | undefined;
};

/**
 * The network of a phase as messages: its layers in today's form, without those that the rules leave out. Throws where
 * the file is damaged or has no layers.
 */
export function trainingNet(options: TrainingNetOptions): NetParameter {
  const { prototxt, phase, onWarning = silent } = options;
  const net = readPrototxt("NetParameter", prototxt, onWarning);
  const stages = [...(net.state?.stage ?? []), ...(options.stages ?? [])];
  const state = { phase, level: options.level ?? net.state?.level ?? 0, stages };
  const layer = layersOf(net, prototxt.name).filter((one) => isIncluded(one, state));
  return { ...net, layers: [], input: [], input_dim: [], input_shape: [], layer };
}

/**
 * The network to train or test. Node ids are layer names (made unique), inputs are named by their blobs. Of a data
 * layer's transformation the graph does what `readCaffe` says: `quant_enable`, on pictures of 0..255; mean and scale
 * are the caller's. Throws where the files are damaged, contradict each other, or a layer cannot be trained.
 */
export function readTraining(options: ReadTrainingOptions): TrainingNetwork {
  const { prototxt, caffemodel, phase, onWarning = silent } = options;
  const net = trainingNet(options);
  for (const layer of net.layer) checkLayer(layer, phase);
  const trained =
    caffemodel && layersOf(readCaffemodel(caffemodel), caffemodel.name ?? prototxt.name);
  const store = weightStore(net.layer, trained, {
    seed: options.seed,
    ignoreMismatch: options.ignoreShapeMismatch,
  });
  const found: Measures = { losses: [], accuracies: [], read: [] };
  const record: TrainingRecord = { phase, fromBatch: [], stored: [] };
  const made: LayerNodes[] = [];
  const training: TrainingBuild = {
    record,
    importers: measureImporters(found),
    inputShape: (layer, index, first) => inputShape(layer, index, first, options.inputShapes),
    onLayer: (layer, nodes) => {
      made.push({ layer, nodes });
    },
  };
  const name = net.name || prototxt.name;
  const graph = buildGraph(net.layer, store, { name, inputShape: undefined, onWarning, training });
  const { parameters, shared } = learnedBlobs(made);
  checkNorms(made);
  if (phase === "TRAIN" && !found.losses.some(({ weight }) => weight !== 0)) {
    throw inputError("the network has no loss to train with", {
      where: prototxt.name,
      hint: "Give the training prototxt, with data layers and a loss",
    });
  }
  tellWeights(store, options, made);
  return {
    graph: withOutputs(withShared(graph, shared), found.read),
    parameters,
    statistics: record.fromBatch,
    storedStatistics: record.stored,
    losses: found.losses,
    accuracies: found.accuracies,
  };
}

/** Throws what would not be trained as the layer says. */
function checkLayer(layer: LayerParameter, phase: Phase): void {
  const node = `${layer.type ?? "layer"} "${layer.name ?? ""}"`;
  if (isLoss(layer)) return;
  if (layer.loss_weight.some((weight) => weight !== 0)) {
    throw inputError("only loss layers may have a loss_weight", { node });
  }
  if (phase === "TEST") return;
  if (layer.propagate_down.includes(false)) {
    throw inputError("propagate_down: false is not supported", {
      node,
      hint: "Set lr_mult: 0 in the layers before it",
    });
  }
  if (layer.type === "Dropout" && layer.dropout_param?.scale_train === false) {
    throw inputError("dropout with scale_train: false is not supported in training", { node });
  }
  if (layer.type === "Pooling" && layer.pooling_param?.pool === "STOCHASTIC") {
    throw inputError("STOCHASTIC pooling is not supported in training", {
      node,
      expected: "MAX or AVE",
    });
  }
}

/** Inputs whose tops have shapes of their own. */
const declaring: ReadonlySet<string> = new Set(["Input", "DummyData"]);

function inputShape(
  layer: LayerParameter,
  index: number,
  first: Shape | undefined,
  stated: ReadTrainingOptions["inputShapes"],
): Shape | undefined {
  const own = stated?.get(layer.top[index] ?? "");
  if (own !== undefined || index === 0 || declaring.has(layer.type ?? "")) return own;
  return first?.slice(0, 1);
}

/** Batch norms keep their sums for themselves. */
function checkNorms(made: readonly LayerNodes[]): void {
  const users = new Map<string, number>();
  for (const { layer } of made) {
    for (const { name = "" } of layer.param) users.set(name, (users.get(name) ?? 0) + 1);
  }
  for (const { layer, nodes } of made) {
    const isNorm = nodes.some(({ op }) => op === "batchNorm");
    const shares = layer.param.some(({ name = "" }) => name !== "" && (users.get(name) ?? 0) > 1);
    if (isNorm && shares) {
      throw inputError("batch norms that share their statistics are not supported", {
        node: `BatchNorm "${layer.name ?? ""}"`,
      });
    }
  }
}

/** Says which layers do not begin with the caffemodel's weights, and what of it has no use. */
function tellWeights(
  store: WeightStore,
  { prototxt, caffemodel, onWarning = silent }: ReadTrainingOptions,
  made: readonly LayerNodes[],
): void {
  const tell = (id: string, text: string, names: readonly string[], where: string): void => {
    if (names.length > 0) onWarning({ id, message: `${text}: ${list(names)}`, where });
  };
  const { filled, missing, unfit, used, blobs } = store;
  const zero = made.flatMap(({ layer }) => (hasNoFiller(layer) ? [layer.name ?? ""] : []));
  const zeroed = zero.filter((name) => filled.has(name));
  tell("zero-weights", "layers begin with zeros, as they state no filler", zeroed, prototxt.name);
  if (caffemodel === undefined) return;
  const { name: file } = caffemodel;
  const anew = [...new Set([...filled, ...missing])].filter((name) => !unfit?.has(name));
  const unused = [...(blobs?.keys() ?? [])].filter((name) => !used.has(name));
  tell(
    "unfit-weights",
    "layers of other shapes than in the file begin anew",
    [...(unfit ?? [])],
    file,
  );
  tell("new-layers", "layers that the file does not have begin anew", anew, file);
  tell("unused-weights", "weights of layers that the network does not have", unused, file);
}

/** Kernels that would all be zero. */
function hasNoFiller({ type, convolution_param, inner_product_param }: LayerParameter): boolean {
  if (type === "InnerProduct") return inner_product_param?.weight_filler === undefined;
  return convolution_param !== undefined && convolution_param.weight_filler === undefined;
}

/** The graph with one value in all constants that layers share. */
function withShared(graph: Graph, shared: ReadonlyMap<string, Tensor>): Graph {
  if (shared.size === 0) return graph;
  const nodes = graph.nodes.map((node): Node => {
    const tensor = shared.get(node.id);
    return node.op === "const" && tensor !== undefined ? { ...node, attrs: { tensor } } : node;
  });
  return { ...graph, nodes };
}

/** The graph with what losses and measures read as outputs, too. */
function withOutputs(graph: Graph, read: readonly Output[]): Graph {
  const taken = new Set(graph.outputs.map(({ name }) => name));
  const more = read.map(({ name, id }) => {
    const free = freshId(name, taken);
    taken.add(free);
    return { name: free, id };
  });
  return { ...graph, outputs: [...graph.outputs, ...more] };
}
