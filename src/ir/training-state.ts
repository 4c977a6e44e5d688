/**
 * The state of a network in training as a value: where it begins, and the graph that a state stands for. Keys are those
 * of `training.ts`; histories of a solver have keys of their own and are not looked at here.
 */
import { workError } from "../error.ts";
import { elementCount, formatShape, type Shape } from "../tensor/shape.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { type Graph, nodeMap } from "./graph.ts";
import type { Node } from "./ops.ts";
import type { TrainingNetwork } from "./training.ts";

type State = ReadonlyMap<string, Tensor<"float32">>;

/**
 * The state that training begins with: learned and frozen blobs, and three sums for every batch norm, in the order of the
 * layers. That is the order of Caffe's learnable parameters, to which its batch norms' sums belong.
 */
export function initialState(network: TrainingNetwork): Map<string, Tensor<"float32">> {
  const nodes = nodeMap(network.graph);
  const places = new Map(network.graph.nodes.map(({ id }, at) => [id, at]));
  const blobs = network.parameters.map(({ key, ids: [id = ""] }) => ({
    place: places.get(id) ?? 0,
    entries: [[key, tensorOf(nodes.get(id), key)] as const],
  }));
  const norms = [...network.statistics, ...network.storedStatistics].map(({ id, layer, sums }) => ({
    place: places.get(id) ?? 0,
    entries: sums.map((sum, index) => [`${layer}/${index}`, sum] as const),
  }));
  const all = [...blobs, ...norms].toSorted((a, b) => a.place - b.place);
  return new Map(all.flatMap(({ entries }) => entries));
}

function tensorOf(node: Node | undefined, key: string): Tensor<"float32"> {
  if (node?.op === "const" && node.attrs.tensor.dtype === "float32") return node.attrs.tensor;
  throw workError("no float32 constant holds the parameter", { got: key });
}

/**
 * The network's graph with the values of a state: parameters, and for batch norms what is stored, mean and variance. What
 * the state does not have stays as it was read: a test network may have layers of its own. Throws a work error where a
 * value has another size.
 */
export function withState(network: TrainingNetwork, state: State): Graph {
  const { graph } = network;
  const nodes = nodeMap(graph);
  const values = new Map<string, Tensor<"float32">>();
  for (const { key, ids } of network.parameters) {
    const value = state.get(key);
    if (value !== undefined) for (const id of ids) values.set(id, value);
  }
  for (const { id, layer } of [...network.statistics, ...network.storedStatistics]) {
    const [mean, variance, count] = [0, 1, 2].map((index) => state.get(`${layer}/${index}`));
    if (mean === undefined || variance === undefined || count === undefined) continue;
    const [, meanId = "", varianceId = ""] = nodes.get(id)?.inputs ?? [];
    values.set(meanId, storedStatistic(mean, count));
    values.set(varianceId, storedStatistic(variance, count));
  }
  const replaced = graph.nodes.map((node): Node => {
    const value = values.get(node.id);
    if (node.op !== "const" || value === undefined) return node;
    return { ...node, attrs: { tensor: fitted(value, node.attrs.tensor.shape, node.id) } };
  });
  return { ...graph, nodes: replaced };
}

function fitted(value: Tensor<"float32">, shape: Shape, id: string): Tensor<"float32"> {
  if (value.data.length === elementCount(shape)) return float32(shape, value.data);
  throw workError("a value of the training state does not fit the network", {
    node: `const "${id}"`,
    expected: formatShape(shape),
    got: formatShape(value.shape),
  });
}

/** What a batch norm stores as a sum, divided by the count [1] of its parts; zeros where that is 0. */
export function storedStatistic(
  sum: Tensor<"float32">,
  count: Tensor<"float32">,
): Tensor<"float32"> {
  const parts = count.data[0] ?? 0;
  const factor = parts === 0 ? 0 : Math.fround(1 / parts);
  return float32(
    sum.shape,
    sum.data.map((value) => value * factor),
  );
}
