/**
 * The calibration table: smallest and largest value of each learnable and each activation of the
 * fused network, one row each, as MATLAB's dlquantizer lays it out.
 */
import { constantOf, consumers, type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { noExtremes, observeExtremes } from "./observers/extremes.ts";
import type { Range } from "./observers/statistics.ts";

export type RangeRow = {
  /** Names of the fused layers joined by `_`; learnables add `_Weights` or `_Bias`. */
  readonly optimizedLayer: string;
  /** The last layer of those that were fused. */
  readonly networkLayer: string;
  readonly kind: "Weights" | "Bias" | "Activations";
  readonly min: number;
  readonly max: number;
};

/** A layer with learnables, and the rectifier that is computed with it. */
type Fused = { readonly name: string; readonly last: string };

/**
 * Rows of a canonical float graph: weights and bias of each conv, deconv and linear, then the values
 * of `activations` (by id), each in the graph's order. A constant without finite values has no row.
 */
export function rangeTable(
  graph: Graph,
  activations: ReadonlyMap<string, Range>,
): readonly RangeRow[] {
  const nodes = nodeMap(graph);
  const fused = fusedLayers(graph);
  const learnables = graph.nodes.flatMap((node) => {
    const layer = fused.get(node.id);
    if (layer === undefined || !hasLearnables(node)) return [];
    return node.inputs.slice(1, 3).flatMap((id, at) => {
      const range = constantRange(nodes.get(id));
      const kind = at === 0 ? "Weights" : "Bias";
      return range === undefined ? [] : [row(layer, kind, range, `_${kind}`)];
    });
  });
  const values = graph.nodes.flatMap((node) => {
    const range = activations.get(node.id);
    const layer = fused.get(node.id);
    const own = { name: node.id, last: node.id };
    const shown = layer?.last === node.id ? layer : own;
    return range === undefined ? [] : [row(shown, "Activations", range)];
  });
  return [...learnables, ...values];
}

function row(layer: Fused, kind: RangeRow["kind"], { min, max }: Range, suffix = ""): RangeRow {
  return {
    optimizedLayer: `${layer.name}${suffix}`,
    networkLayer: layer.last,
    kind,
    min,
    max,
  };
}

function hasLearnables(node: Node): boolean {
  return node.op === "conv" || node.op === "deconv" || node.op === "linear";
}

/** By the id of the layer, and by that of a rectifier which alone reads it. */
function fusedLayers(graph: Graph): ReadonlyMap<string, Fused> {
  const readers = consumers(graph);
  const outputs = new Set(graph.outputs.map((output) => output.id));
  const layers = new Map<string, Fused>();
  for (const node of graph.nodes) {
    if (!hasLearnables(node)) continue;
    const [reader, ...others] = readers.get(node.id) ?? [];
    const joins =
      (reader?.op === "relu" || reader?.op === "clip") &&
      others.length === 0 &&
      !outputs.has(node.id);
    const layer = joins
      ? { name: `${node.id}_${reader.id}`, last: reader.id }
      : { name: node.id, last: node.id };
    layers.set(node.id, layer);
    layers.set(layer.last, layer);
  }
  return layers;
}

function constantRange(node: Node | undefined): Range | undefined {
  const value = constantOf(node);
  if (value?.dtype !== "float32") return undefined;
  const extremes = observeExtremes(noExtremes, value.data);
  return extremes.count === 0 ? undefined : { min: extremes.min, max: extremes.max };
}

/** The table as CSV (RFC 4180, lines ended by a line feed), numbers to float32's nine digits. */
export function rangeTableCsv(rows: readonly RangeRow[]): string {
  const header = [
    "Optimized Layer Name",
    "Network Layer Name",
    "Learnables / Activations",
    "MinValue",
    "MaxValue",
  ];
  const lines = rows.map((one) => [
    quoted(one.optimizedLayer),
    quoted(one.networkLayer),
    one.kind,
    digits(one.min),
    digits(one.max),
  ]);
  return [header, ...lines].map((fields) => `${fields.join(",")}\n`).join("");
}

const digits = (value: number): string => `${Number(value.toPrecision(9))}`;

const quoted = (text: string): string =>
  /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
