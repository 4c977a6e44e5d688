/**
 * Fits the first layers of a refined network to the float network's sums (quantize/reconstruct.ts): the coarse
 * picture and the few levels of the early maps cost most of the accuracy, and small layers can win some of it back.
 */
import type { ChipMapping } from "../chips/gti/map/mapping.ts";
import { clipWeights } from "../chips/gti/program/clip-weights.ts";
import {
  type ConvertOptions,
  convertLayers,
  layerIntegers,
  roundParameters,
} from "../chips/gti/program/convert.ts";
import type { ConvParameters } from "../chips/gti/program/gain.ts";
import { type ChipEntry, integerGraph } from "../chips/gti/program/integer-graph.ts";
import { parametersOf, type Refined } from "../chips/gti/program/refine.ts";
import { levelsPerUnit, unitOf } from "../chips/gti/program/units.ts";
import { type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import {
  type ReconstructLayer,
  type ReconstructScene,
  reconstruct,
} from "../quantize/reconstruct.ts";
import type { LayeredTarget } from "../target/layered-target.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";

export type FitRules = {
  readonly target: LayeredTarget;
  readonly convert: ConvertOptions;
  readonly clipWeights: boolean;
  readonly entry: ChipEntry;
};

/** The refined network with fitted parameters. `entries` are the planes of the scene's pictures. */
export async function withFittedLayers(
  mapping: ChipMapping,
  refined: Refined,
  entries: readonly Tensor[],
  rules: FitRules,
  scene: ReconstructScene,
): Promise<Refined> {
  const start = { ...mapping, graph: refined.graph };
  const rounded = convertLayers(start, rules.target, rules.convert);
  const integer = integerGraph(start, rounded, refined.grids, rules.entry);
  const layers = layersOf(start, refined, rules);
  const fitted = await reconstruct(integer, layers, entries, scene);
  const parameters = new Map<string, ConvParameters>();
  for (const { conv, activation } of mapping.chip.convolutions) {
    const fit = fitted.get(activation);
    if (fit !== undefined) parameters.set(conv, fit);
  }
  return { ...refined, graph: withParameters(refined.graph, parameters) };
}

function layersOf(
  { graph, chip }: ChipMapping,
  { grids }: Refined,
  { target, convert, clipWeights: isClipped }: FitRules,
): readonly ReconstructLayer[] {
  const nodes = nodeMap(graph);
  const shiftMax = convert.shiftMax ?? target.shiftMax;
  return chip.convolutions.map(({ conv, activation, shortcut, bits }): ReconstructLayer => {
    const [grid, node] = [grids.get(activation), nodes.get(conv)];
    if (grid === undefined || node?.op !== "quantConv") throw new Error(`no layer "${conv}"`);
    const limited = ({ data, shape }: Tensor<"float32">): Tensor<"float32"> =>
      isClipped && bits >= 8
        ? float32(shape, clipWeights(data, target.parameterBits, shiftMax).weight)
        : float32(shape, data);
    return {
      id: activation,
      sum: shortcut?.add ?? conv,
      unit: unitOf(grid),
      ...parametersOf(node, nodes),
      levelsPerUnit: levelsPerUnit(grid),
      round: (weight, bias) => {
        const parameters = { name: conv, node: conv, weight: limited(weight), bias };
        const layer = roundParameters(parameters, bits, target, convert);
        const integers = layerIntegers(layer);
        return {
          weight: { dtype: "int32", shape: layer.shape, data: integers.weight },
          bias: { dtype: "int32", shape: [integers.bias.length], data: integers.bias },
          shift: layer.shift,
        };
      },
    };
  });
}

/** The graph with other weights and biases of some convolutions, by id. */
export function withParameters(
  graph: Graph,
  parameters: ReadonlyMap<string, ConvParameters>,
): Graph {
  const constants = new Map<string, Tensor<"float32">>();
  for (const node of graph.nodes) {
    const own = parameters.get(node.id);
    if (own === undefined) continue;
    constants.set(node.inputs[1] ?? "", own.weight);
    constants.set(node.inputs[2] ?? "", float32([own.bias.length], own.bias));
  }
  const nodes = graph.nodes.map((node): Node => {
    const tensor = constants.get(node.id);
    return node.op === "const" && tensor !== undefined ? { ...node, attrs: { tensor } } : node;
  });
  return { ...graph, nodes };
}
