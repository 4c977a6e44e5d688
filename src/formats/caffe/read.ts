/**
 * Caffe's prototxt and caffemodel to a graph. A training network becomes the network to deploy; old
 * forms of 2013 and 2014 are upgraded on the way.
 */
import { inputError, usageError } from "../../error.ts";
import { type Graph, sweep } from "../../ir/graph.ts";
import { type OnWarning, silent } from "../../notice.ts";
import type { Shape } from "../../tensor/shape.ts";
import { buildGraph } from "./build.ts";
import { deployLayers } from "./deploy.ts";
import { type NamedBytes, readCaffemodel, readPrototxt } from "./files.ts";
import type { LayerParameter, NetParameter } from "./schema/schema.ts";
import { upgradeLayers } from "./upgrade.ts";
import { type WeightStore, weightStore } from "./weights.ts";

export type ReadCaffeOptions = {
  /** The network. Without it the layers that the caffemodel holds are taken. */
  readonly prototxt?: NamedBytes | undefined;
  /** The weights. Without them all weights are zeros, which a warning says. */
  readonly caffemodel?: NamedBytes | undefined;
  /** Shape of the first input [n, c, h, w], over the declared one. Data layers may not tell it. */
  readonly inputShape?: Shape | undefined;
  /** Stages for include and exclude rules, besides those that the network states. */
  readonly stages?: readonly string[] | undefined;
  readonly onWarning?: OnWarning | undefined;
};

const maxLayers = 20_000;

/**
 * The graph at test time. Node ids are layer names (made unique), inputs are named by their blobs,
 * outputs are the blobs that no layer reads. Constants are `<layer>.weight`, `<layer>.bias`, ...
 * Throws where the files are damaged, contradict each other, or hold an unsupported layer.
 */
export function readCaffe(options: ReadCaffeOptions): Graph {
  const { prototxt, caffemodel, onWarning = silent } = options;
  const trained = caffemodel && readCaffemodel(caffemodel);
  const net = prototxt ? readPrototxt("NetParameter", prototxt, onWarning) : trained;
  const file = prototxt?.name ?? caffemodel?.name;
  if (net === undefined || file === undefined) {
    throw usageError("a Caffe network needs a prototxt, a caffemodel, or both");
  }
  const layers = deployed(net, file, options.stages ?? [], onWarning);
  const weights = trained && layersOf(trained, caffemodel?.name ?? file);
  const store = weightStore(layers, weights);
  const graph = buildGraph(layers, store, {
    name: net.name || file,
    inputShape: options.inputShape,
    onWarning,
  });
  if (graph.outputs.length === 0) throw inputError("the network has no output", { where: file });
  checkWeights(store, file, onWarning);
  return sweep(graph);
}

/** A network's layers in today's form: at least one. Throws where there are none, or too many. */
export function layersOf(net: NetParameter, file: string): readonly LayerParameter[] {
  const layers = upgradeLayers(net, file);
  if (layers.length > maxLayers) {
    throw inputError("too many layers", {
      where: file,
      expected: `at most ${maxLayers}`,
      got: `${layers.length}`,
    });
  }
  if (layers.length > 0) return layers;
  throw inputError("the file has no layers", {
    where: file,
    hint: "Is it a network, and not a solver or another kind of file?",
  });
}

function deployed(
  net: NetParameter,
  file: string,
  extraStages: readonly string[],
  onWarning: OnWarning,
): readonly LayerParameter[] {
  const stages = [...(net.state?.stage ?? []), ...extraStages];
  const state = { level: net.state?.level ?? 0, stages };
  return deployLayers(layersOf(net, file), state, onWarning);
}

/** Weights that are missing are an error with a caffemodel; what the graph has no use for, a warning. */
function checkWeights(store: WeightStore, file: string, onWarning: OnWarning): void {
  const { blobs, missing, filled, used } = store;
  if (blobs === undefined) {
    if (missing.size + filled.size === 0) return;
    onWarning({ id: "no-weights", message: "no caffemodel: all weights are zeros", where: file });
    return;
  }
  if (missing.size > 0) {
    throw inputError("layers have no weights in the caffemodel", {
      where: file,
      got: list(missing),
      hint: "Weights are matched by layer name: check names and that both files belong together",
    });
  }
  if (filled.size > 0) {
    const message = `layers without weights in the caffemodel take their filler: ${list(filled)}`;
    onWarning({ id: "filled-weights", message, where: file });
  }
  const unused = [...blobs.keys()].filter((name) => !used.has(name));
  if (unused.length > 0) {
    const message = `weights of layers that the network does not have: ${list(unused)}`;
    onWarning({ id: "unused-weights", message, where: file });
  }
}

/** Names for a message: the first ten, and how many more there are. */
export function list(names: Iterable<string>): string {
  const all = [...names];
  const rest = all.length - 10;
  return rest > 0 ? `${all.slice(0, 10).join(", ")} and ${rest} more` : all.join(", ");
}
