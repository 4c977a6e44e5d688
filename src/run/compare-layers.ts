/**
 * Float against quantized, layer by layer: both networks run on the same pictures in one session, and
 * each value on a grid is compared with the float value of the same name.
 */
import { batches } from "../data/batch.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Preprocess } from "../data/preprocess.ts";
import type { Runtime, Values } from "../engine/runtime.ts";
import { fusedLayer } from "../ir/fused-layer.ts";
import { constantOf, type Graph, nodeMap } from "../ir/graph.ts";
import { type Grid, gridOf } from "../ir/grid.ts";
import { mergeGraphs } from "../ir/merge.ts";
import type { Node } from "../ir/ops.ts";
import type { OnProgress } from "../notice.ts";
import { batchSize } from "./classify.ts";
import { addError, type LayerError, noError, type Representable } from "./layer-error.ts";
import { pictureSize, withPictureInput } from "./prepare.ts";
import { openSession } from "./session.ts";
import { simulationOf } from "./simulate.ts";

export type LayerComparison = {
  /** The layer whose result is compared: the convolution before a fused ReLU. */
  readonly name: string;
  readonly op: string;
  readonly activation: LayerError;
  /** Null where the layer has no weights. */
  readonly weight: LayerError | null;
};

/** One value to compare. */
type Pairing = {
  readonly name: string;
  readonly op: string;
  readonly floatId: string;
  /** In the lowered graph. */
  readonly simulatedId: string;
  readonly step: number;
  readonly range: Representable;
  readonly weight: LayerError | null;
};

const unlimited: Representable = { lo: -Infinity, hi: Infinity };
const prefix = "simulated/";

/** Compares over all pictures of the data set. `float` and `quantized` share the names of values. */
export async function compareLayers(
  float: Graph,
  quantized: Graph,
  dataset: Dataset,
  preprocess: Preprocess,
  runtime: Runtime,
  onProgress?: OnProgress,
): Promise<readonly LayerComparison[]> {
  const { lowered } = simulationOf(quantized);
  const pairings = pairValues(float, quantized, lowered);
  const both = mergeGraphs(float, lowered, prefix);
  const taps = pairings.flatMap((pair) => [pair.floatId, pair.simulatedId]);
  const graph: Graph = {
    ...withPictureInput(both, preprocess),
    outputs: [...new Set(taps)].map((id) => ({ name: id, id })),
  };
  const session = await openSession(graph, runtime);
  const errors = pairings.map(() => noError);
  try {
    const [inputId = ""] = session.inputs;
    let done = 0;
    const reading = { batch: batchSize(float), readAhead: 1 };
    for await (const batch of batches(dataset, preprocess, pictureSize(float), reading)) {
      const values = await session.run(new Map([[inputId, batch.images]]));
      for (const [at, pair] of pairings.entries()) {
        errors[at] = addPair(errors[at] ?? noError, pair, values);
      }
      done += batch.names.length;
      onProgress?.({ label: "compare", done, total: dataset.samples.length });
    }
  } finally {
    await session.release();
  }
  return pairings.map(({ name, op, weight }, at) => ({
    name,
    op,
    activation: errors[at] ?? noError,
    weight,
  }));
}

function addPair(sofar: LayerError, pair: Pairing, values: Values): LayerError {
  const [float, simulated] = [values.get(pair.floatId), values.get(pair.simulatedId)];
  if (float?.dtype !== "float32" || simulated?.dtype !== "float32") return sofar;
  return addError(sofar, float.data, simulated.data, pair.step, pair.range);
}

type Networks = {
  readonly floats: ReadonlyMap<string, Node>;
  readonly quantized: ReadonlyMap<string, Node>;
  readonly lowered: ReadonlyMap<string, Node>;
};

/** Every value on a grid, and every integer layer that gives real values, in network order. */
function pairValues(float: Graph, quantized: Graph, lowered: Graph): readonly Pairing[] {
  const networks: Networks = {
    floats: nodeMap(float),
    quantized: nodeMap(quantized),
    lowered: nodeMap(lowered),
  };
  return quantized.nodes.flatMap((node) => {
    if (!networks.lowered.has(node.id)) return [];
    const pairing = gridPairing(node, networks) ?? realPairing(node, networks);
    return pairing === undefined ? [] : [pairing];
  });
}

function gridPairing(node: Node, networks: Networks): Pairing | undefined {
  if (node.op !== "quantize") return undefined;
  const floatId = node.inputs[0] ?? "";
  const [scale, zero] = [1, 2].map((at) =>
    constantOf(networks.quantized.get(node.inputs[at] ?? "")),
  );
  const grid = gridOf(scale, zero);
  const layer = fusedLayer(networks.floats, floatId);
  if (grid === undefined || layer === undefined) return undefined;
  return {
    name: layer.id,
    op: layer.op,
    floatId,
    simulatedId: `${prefix}${node.id}`,
    step: grid.scale,
    range: representable(grid),
    weight: compareWeights(layer.id, networks),
  };
}

function realPairing(node: Node, networks: Networks): Pairing | undefined {
  if (node.op !== "conv" && node.op !== "linear") return undefined;
  if (!networks.floats.has(node.id)) return undefined;
  return {
    name: node.id,
    op: node.op,
    floatId: node.id,
    simulatedId: `${prefix}${node.id}`,
    step: 1,
    range: unlimited,
    weight: compareWeights(node.id, networks),
  };
}

function representable(grid: Grid): Representable {
  return { lo: (grid.lo - grid.zero) * grid.scale, hi: (grid.hi - grid.zero) * grid.scale };
}

/** Integer weights times their steps, against the float weights of the same layer. */
function compareWeights(id: string, { floats, quantized }: Networks): LayerError | null {
  const float = constantOf(floats.get(floats.get(id)?.inputs[1] ?? ""));
  const dequantize = quantized.get(quantized.get(id)?.inputs[1] ?? "");
  if (dequantize?.op !== "dequantize" || float?.dtype !== "float32") return null;
  const [integers, scale] = dequantize.inputs.map((id) => constantOf(quantized.get(id)));
  if (integers?.dtype !== "int8" || scale?.dtype !== "float32") return null;
  const scales = scale.data;
  const perChannel = float.data.length / scales.length;
  return scales.reduce((error, step, channel) => {
    const [start, end] = [channel * perChannel, (channel + 1) * perChannel];
    const range = { lo: -127 * step, hi: 127 * step };
    return addError(
      error,
      float.data.subarray(start, end),
      integers.data.subarray(start, end),
      step,
      range,
    );
  }, noError);
}
