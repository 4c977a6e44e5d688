/**
 * A graph made trainable: its constants become parameters, its batch norms take their statistics from the batch, and a
 * softmax loss judges its scores. For networks that come from anywhere; a Caffe prototxt says all this itself.
 */
import { usageError } from "../error.ts";
import { constantOf, freshId, type Graph, nodeMap, sweep } from "../ir/graph.ts";
import { inferTypes } from "../ir/infer.ts";
import { learnedInputs } from "../ir/learned-inputs.ts";
import type { Node } from "../ir/ops.ts";
import type { BatchStatistics, Parameter, TrainingNetwork } from "../ir/training.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

export type TrainableOptions = {
  /** How much of a batch norm's stored sums each iteration keeps. */
  readonly statisticsFraction: number;
  /** True: batch norms keep their stored statistics, as constants. */
  readonly freezeStatistics?: boolean;
  /** Factors on learning rate and weight decay of a blob; 1 and 1 where undefined. `input` is the node's input. */
  readonly factors?: (
    node: Node,
    input: number,
  ) => { readonly lrMult: number; readonly decayMult: number } | undefined;
  /** What the loss and the accuracy are called. */
  readonly lossName?: string;
};

/** Id of the input that the labels are fed to. */
export const labelInput = "label";

/**
 * The network whose loss is the softmax loss of the graph's one output (in front of its own softmax, where it ends in
 * one). Biases get no weight decay, caps neither. Throws where the graph has several outputs.
 */
export function trainable(graph: Graph, options: TrainableOptions): TrainingNetwork {
  const split = sweep(withPlainNorms(graph));
  const [output, ...others] = split.outputs;
  if (output === undefined || others.length > 0) {
    throw usageError("training needs a network with one output", {
      got: split.outputs.map(({ name }) => name).join(", "),
    });
  }
  const nodes = nodeMap(split);
  const last = nodes.get(output.id);
  const scores = last?.op === "softmax" ? (last.inputs[0] ?? output.id) : output.id;
  const batch = inferTypes(split).get(scores)?.shape[0] ?? 1;
  const label = freshId(labelInput, nodes);
  const input: Node = {
    ...{ op: "input", id: label, inputs: [] },
    attrs: { dtype: "float32", shape: [batch] },
  };
  const swept = sweep({ ...split, outputs: [{ name: output.name, id: scores }] });
  const name = options.lossName ?? "loss";
  const statistics = statisticsOf(swept, options);
  const judged = { scores, label, axis: 1, ignoreLabel: undefined } as const;
  return {
    graph: { ...swept, nodes: [...swept.nodes, input] },
    parameters: parametersOf(swept, options),
    statistics: options.freezeStatistics === true ? [] : statistics,
    storedStatistics: options.freezeStatistics === true ? statistics : [],
    losses: [{ ...judged, layer: name, name, weight: 1, kind: "softmax", normalization: "valid" }],
    accuracies: [{ ...judged, layer: "accuracy", name: "accuracy", topK: 1, perClass: undefined }],
  };
}

/** Batch norms without factors of their own: gamma and beta become a scale behind them. */
function withPlainNorms(graph: Graph): Graph {
  const taken = new Set(nodeMap(graph).keys());
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const [x = "", mean = "", variance = "", gamma, beta] = node.inputs;
    if (node.op !== "batchNorm" || gamma === undefined) return [node];
    const id = freshId(`${node.id}.norm`, taken);
    taken.add(id);
    return [
      { ...node, id, inputs: [x, mean, variance] },
      {
        ...{ op: "scale", id: node.id, attrs: { axis: 1 } },
        inputs: beta === undefined ? [id, gamma] : [id, gamma, beta],
      },
    ];
  });
  return { ...graph, nodes };
}

function parametersOf(graph: Graph, options: TrainableOptions): readonly Parameter[] {
  const nodes = nodeMap(graph);
  const isWeight = (id: string): boolean => constantOf(nodes.get(id))?.dtype === "float32";
  // A constant that several nodes read is one parameter of the first of them.
  const found = new Map<string, Parameter>();
  for (const node of graph.nodes) {
    for (const [index, input] of (learnedInputs[node.op] ?? []).entries()) {
      const id = node.inputs[input];
      if (id === undefined || found.has(id) || !isWeight(id)) continue;
      const key = `${node.id}/${index}`;
      found.set(id, { key, ids: [id], ...factorsOf(node, input, options) });
    }
  }
  return [...found.values()];
}

/** What is asked for, else 1; no weight decay for biases and caps. */
function factorsOf(
  node: Node,
  input: number,
  { factors }: TrainableOptions,
): Pick<Parameter, "lrMult" | "decayMult"> {
  const decayMult = input === 2 || node.op === "quantRelu" ? 0 : 1;
  return factors?.(node, input) ?? { lrMult: 1, decayMult };
}

function statisticsOf(graph: Graph, { statisticsFraction }: TrainableOptions): BatchStatistics[] {
  const nodes = nodeMap(graph);
  const stored = (id: string | undefined): Tensor<"float32"> | undefined => {
    const tensor = constantOf(nodes.get(id ?? ""));
    return tensor?.dtype === "float32" ? tensor : undefined;
  };
  return graph.nodes.flatMap((node): readonly BatchStatistics[] => {
    if (node.op !== "batchNorm") return [];
    const [mean, variance] = [stored(node.inputs[1]), stored(node.inputs[2])];
    if (mean === undefined || variance === undefined) return [];
    const sums = [mean, variance, float32([1], [1])] as const;
    return [{ id: node.id, layer: node.id, fraction: statisticsFraction, sums }];
  });
}
