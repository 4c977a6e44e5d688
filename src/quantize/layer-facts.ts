/**
 * What can be said of each integer layer without running it: its grids, its weight steps, and how
 * wide its accumulator can become.
 */
import { accumulatorBound } from "../fixed/accumulator.ts";
import { constantOf, describe, type Graph, nodeMap } from "../ir/graph.ts";
import type { Grid } from "../ir/grid.ts";
import type { Node } from "../ir/ops.ts";
import { exactPlanes } from "../passes/exact-planes.ts";
import { signedBits } from "../target/target.ts";
import type { QuantizePlan } from "./plan.ts";
import type { Quantized } from "./quantize-graph.ts";

export type LayerFacts = {
  readonly name: string;
  readonly op: string;
  readonly weightScales: Float32Array;
  readonly input: Grid;
  /** Undefined where the layer gives real values. */
  readonly output: Grid | undefined;
  /** Signed bits that hold every accumulator the real weights can reach. */
  readonly accumulatorBits: number;
  /** Planes that keep the simulation exact in float32. */
  readonly planes: number;
};

/** Facts of every planned layer, in network order. `float` is the graph that was planned. */
export function layerFacts(
  float: Graph,
  plan: QuantizePlan,
  quantized: Quantized,
): readonly LayerFacts[] {
  const nodes = nodeMap(quantized.graph);
  const readers = outputGrids(float, quantized.grids);
  return plan.layers.flatMap((layer) => {
    const input = quantized.grids.get(layer.inputs[0] ?? "");
    const written = nodes.get(layer.id);
    const integers = written && integersOf(nodes, written);
    if (input === undefined || integers === undefined) return [];
    const { weight, bias, weightScales } = integers;
    const x = { lo: input.lo - input.zero, hi: input.hi - input.zero };
    const bounds = accumulatorBound(weight, bias, {
      low: Math.min(x.lo, 0),
      high: Math.max(x.hi, 0),
    });
    const [min, max] = bounds.reduce(
      ([low, high], bound) => [Math.min(low, bound.partialMin), Math.max(high, bound.partialMax)],
      [0, 0],
    );
    return [
      {
        name: layer.id,
        op: layer.op,
        weightScales,
        input,
        output: readers.get(layer.id),
        accumulatorBits: signedBits(min, max),
        planes: exactPlanes({ weight, bias }, x, describe(layer)).length,
      },
    ];
  });
}

type Integers = {
  readonly weight: Int8Array;
  readonly bias: Int32Array;
  readonly weightScales: Float32Array;
};

function integersOf(nodes: ReadonlyMap<string, Node>, layer: Node): Integers | undefined {
  const constants = layer.inputs.slice(1).map((id) => {
    const dequantize = nodes.get(id);
    return dequantize?.inputs.map((input) => constantOf(nodes.get(input))) ?? [];
  });
  const [[weight, scale] = [], [bias] = []] = constants;
  const fits = weight?.dtype === "int8" && bias?.dtype === "int32" && scale?.dtype === "float32";
  return fits ? { weight: weight.data, bias: bias.data, weightScales: scale.data } : undefined;
}

/** The grid on which each layer's result lands: its own value's, or that of its activation. */
function outputGrids(float: Graph, grids: ReadonlyMap<string, Grid>): ReadonlyMap<string, Grid> {
  const found = new Map<string, Grid>();
  for (const node of float.nodes.toReversed()) {
    const own = grids.get(node.id) ?? found.get(node.id);
    if (own === undefined) continue;
    found.set(node.id, own);
    const joins = node.op === "relu" || node.op === "clip";
    const [before = ""] = node.inputs;
    if (joins && !grids.has(before)) found.set(before, own);
  }
  return found;
}
