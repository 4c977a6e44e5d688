/**
 * Float graph + ranges -> quantized graph: every value of the plan goes through quantize and
 * dequantize, every planned layer reads int8 weights and an int32 bias.
 */
import { inputError } from "../error.ts";
import { chooseAffine } from "../fixed/choose-scale.ts";
import type { NumberFormat } from "../fixed/number-format.ts";
import { constantOf, describe, freshId, type Graph, nodeMap, sweep } from "../ir/graph.ts";
import type { Grid } from "../ir/grid.ts";
import type { Node } from "../ir/ops.ts";
import type { Target } from "../target/target.ts";
import { float32, type Tensor, tensor } from "../tensor/tensor.ts";
import type { QuantizeOptions } from "./options.ts";
import type { QuantizePlan } from "./plan.ts";
import { type QuantizedWeights, quantizeWeights } from "./quantize-weights.ts";

/** What calibration learned about one value. */
export type ValueStatistics = {
  /** The range to represent, lo <= hi. */
  readonly lo: number;
  readonly hi: number;
  /** Mean per channel [c] (per feature for rank 2); undefined where it was not observed. */
  readonly means?: ArrayLike<number> | undefined;
};

export type Quantized = {
  readonly graph: Graph;
  /** Grid of each value that lies on one, by its id in the float graph. */
  readonly grids: ReadonlyMap<string, Grid>;
  /** Id of the quantize node of each such value. */
  readonly integerIds: ReadonlyMap<string, string>;
};

/** Quantizes a canonical float graph as planned. Throws where a planned value has no statistics. */
export function quantizeGraph(
  graph: Graph,
  plan: QuantizePlan,
  target: Target,
  statistics: ReadonlyMap<string, ValueStatistics>,
  options: QuantizeOptions,
): Quantized {
  const grids = chooseGrids(graph, plan, target, statistics, options);
  const writer = new QdqWriter(graph, plan, grids, statistics, options);
  for (const node of graph.nodes) writer.write(node);
  const outputs = graph.outputs.map((output) => ({ ...output, id: writer.reading(output.id) }));
  const quantized = sweep({ ...graph, nodes: writer.nodes, outputs });
  return { graph: quantized, grids, integerIds: writer.integerIds };
}

/** The number format that activations get. */
export function activationFormat(target: Target, options: QuantizeOptions): NumberFormat {
  return options.activations.signed ? target.activations.signed : target.activations.unsigned;
}

function chooseGrids(
  graph: Graph,
  plan: QuantizePlan,
  target: Target,
  statistics: ReadonlyMap<string, ValueStatistics>,
  options: QuantizeOptions,
): ReadonlyMap<string, Grid> {
  const nodes = nodeMap(graph);
  const format = activationFormat(target, options);
  const ofOwner = new Map<string, Grid>();
  for (const [owner, sources] of plan.sources) {
    let [lo, hi] = [0, 0];
    for (const id of sources) {
      const range = statistics.get(id);
      const node = nodes.get(id);
      if (range === undefined) {
        throw inputError("no range was learned for this value", {
          node: node && describe(node),
          hint: "Calibrate the same network that is quantized",
        });
      }
      [lo, hi] = [Math.min(lo, range.lo), Math.max(hi, range.hi)];
    }
    const { scale, zeroPoint } = chooseAffine(lo, hi, format, options.activations);
    ofOwner.set(owner, { scale, zero: zeroPoint, lo: format.qMin, hi: format.qMax });
  }
  const grids = new Map<string, Grid>();
  for (const [id, owner] of plan.gridOwner) {
    const grid = ofOwner.get(owner);
    if (grid !== undefined) grids.set(id, grid);
  }
  return grids;
}

class QdqWriter {
  readonly nodes: Node[] = [];
  readonly integerIds: Map<string, string> = new Map<string, string>();
  readonly #replaced: Map<string, string> = new Map<string, string>();
  readonly #taken: Set<string>;
  readonly #floats: ReadonlyMap<string, Node>;
  readonly #layers: ReadonlySet<Node>;

  readonly #grids: ReadonlyMap<string, Grid>;
  readonly #statistics: ReadonlyMap<string, ValueStatistics>;
  readonly #options: QuantizeOptions;

  constructor(
    graph: Graph,
    plan: QuantizePlan,
    grids: ReadonlyMap<string, Grid>,
    statistics: ReadonlyMap<string, ValueStatistics>,
    options: QuantizeOptions,
  ) {
    this.#floats = nodeMap(graph);
    this.#taken = new Set(this.#floats.keys());
    this.#layers = new Set(plan.layers);
    this.#grids = grids;
    this.#statistics = statistics;
    this.#options = options;
  }

  /** The id that readers of a float value read now. */
  reading(id: string): string {
    return this.#replaced.get(id) ?? id;
  }

  write(node: Node): void {
    const inputs = this.#layers.has(node)
      ? this.#layerInputs(node)
      : node.inputs.map((id) => this.reading(id));
    this.nodes.push({ ...node, inputs });
    const grid = this.#grids.get(node.id);
    if (grid !== undefined) this.#roundTo(node.id, grid);
  }

  #fresh(base: string): string {
    const id = freshId(base, this.#taken);
    this.#taken.add(id);
    return id;
  }

  #constant(base: string, value: Tensor): string {
    const id = this.#fresh(base);
    this.nodes.push({ op: "const", id, inputs: [], attrs: { tensor: value } });
    return id;
  }

  /** Sends a value through its grid; readers take what comes back. */
  #roundTo(id: string, grid: Grid): void {
    const zero =
      grid.lo < 0
        ? tensor("int8", [], Int8Array.of(grid.zero))
        : tensor("uint8", [], Uint8Array.of(grid.zero));
    const scaleId = this.#constant(`${id}.scale`, float32([], [grid.scale]));
    const zeroId = this.#constant(`${id}.zero`, zero);
    const [q, dq] = [this.#fresh(`${id}.q`), this.#fresh(`${id}.dq`)];
    const attrs = { axis: 1 };
    this.nodes.push({ op: "quantize", id: q, inputs: [id, scaleId, zeroId], attrs });
    this.nodes.push({ op: "dequantize", id: dq, inputs: [q, scaleId, zeroId], attrs });
    this.#replaced.set(id, dq);
    this.integerIds.set(id, q);
  }

  #layerInputs(node: Node): readonly string[] {
    const [x = "", weightId = "", biasId] = node.inputs;
    const grid = this.#grids.get(x);
    const weight = constantOf(this.#floats.get(weightId));
    const bias = biasId === undefined ? undefined : constantOf(this.#floats.get(biasId));
    if (grid === undefined || weight?.dtype !== "float32") {
      return node.inputs.map((id) => this.reading(id));
    }
    const means = this.#options.biasCorrection ? this.#statistics.get(x)?.means : undefined;
    const integers = quantizeWeights(
      {
        weight,
        bias: bias?.dtype === "float32" ? bias : undefined,
        xScale: grid.scale,
        inputMeans: means,
        groups: node.op === "conv" ? node.attrs.groups : 1,
        node: describe(node),
      },
      this.#options.weights,
    );
    return [this.reading(x), ...this.#dequantized(node.id, integers)];
  }

  #dequantized(id: string, integers: QuantizedWeights): readonly string[] {
    const { weight, weightScales, bias, biasScales } = integers;
    const shape = weightScales.length === 1 ? [] : [weightScales.length];
    const zeros = tensor("int8", shape, new Int8Array(weightScales.length));
    const biasZeros = tensor("int32", [biasScales.length], new Int32Array(biasScales.length));
    return [
      this.#dequantize(`${id}.weight`, weight, float32(shape, weightScales), zeros),
      this.#dequantize(`${id}.bias`, bias, float32([biasScales.length], biasScales), biasZeros),
    ];
  }

  #dequantize(base: string, integers: Tensor, scales: Tensor, zeros: Tensor): string {
    const inputs = [
      this.#constant(`${base}.q`, integers),
      this.#constant(`${base}.scale`, scales),
      this.#constant(`${base}.zero`, zeros),
    ];
    const id = this.#fresh(`${base}.dq`);
    this.nodes.push({ op: "dequantize", id, inputs, attrs: { axis: 0 } });
    return id;
  }
}
