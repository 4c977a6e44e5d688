/**
 * Channel equalization: a channel of an activation is scaled up, and the weights that read it down, so that every channel
 * uses the few levels that all of them share. ReLU lets positive factors through, so the float function stays; behind
 * ReLU6 two scales say so. (Nagel et al., Data-Free Quantization through Weight Equalization and Bias Correction.)
 */
import { constantOf, freshId, type Graph, nodeMap, sweep } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import { float32, type Tensor } from "../../../tensor/tensor.ts";
import { capGroups, levelSource } from "../map/cap-groups.ts";
import type { ChipMapping } from "../map/mapping.ts";

/** What calibration saw of an activation, per channel. */
export type ChannelPeaks = {
  /** Largest value in nearly all pictures. */
  readonly usual: Float64Array;
  /** Largest value of all. */
  readonly most: Float64Array;
};

export type EqualizeOptions = {
  /**
   * `levels`: each channel fills the range of levels, for weights with bits to spare. `caps`: likewise, but the range is
   * the activation's cap, and what reaches beyond it is scaled down. `balance`: the ranges of the weights on both sides are
   * brought together, as far as the levels have room.
   */
  readonly rule: "levels" | "caps" | "balance";
  /** For the rule `caps`: the largest value that levels show, by the activation's id. */
  readonly caps?: ReadonlyMap<string, number>;
  /** Largest factor, and with it the smallest. */
  readonly most: number;
};

/** A channel that was never seen above this carries nothing. */
const nothing = 1e-6;
const rounds = 4;

/** Weights of one convolution while factors are found: the node's own, copied. */
type Weights = {
  readonly node: Node<"conv">;
  readonly weight: Float32Array;
  readonly bias: Float32Array | undefined;
  readonly shape: readonly number[];
};

type Edge = {
  readonly activation: string;
  readonly producer: Weights;
  readonly readers: readonly Weights[];
  readonly peaks: ChannelPeaks;
  /** Upper bound of the activation: 6 for ReLU6. */
  readonly bound: number;
  readonly factors: Float64Array;
};

export type Equalized = {
  /** The graph under the same ids; activations give scaled channels. */
  readonly graph: Graph;
  /** Factor per channel, by the activation's id; only those that were scaled. */
  readonly factors: ReadonlyMap<string, Float64Array>;
};

/** Equalizes the chip part of a mapping whose convolutions are `conv` nodes with ReLU or a clip from 0. */
export function equalize(
  mapping: ChipMapping,
  peaks: ReadonlyMap<string, ChannelPeaks>,
  options: EqualizeOptions,
): Equalized {
  const edges = edgesOf(mapping, peaks);
  for (let round = 0; round < rounds; round += 1) {
    for (const edge of edges) scaleEdge(edge, options);
  }
  const graph = rebuilt(mapping.graph, edges);
  return { graph, factors: new Map(edges.map(({ activation, factors }) => [activation, factors])) };
}

/** The activations that may be scaled: read by convolutions of the chip alone, tied to no other. */
function edgesOf(mapping: ChipMapping, peaks: ReadonlyMap<string, ChannelPeaks>): readonly Edge[] {
  const { graph, chip } = mapping;
  const nodes = nodeMap(graph);
  const source = levelSource(mapping);
  const tied = new Set(capGroups(mapping).flat());
  const weights = new Map<string, Weights>();
  const weightsOf = (id: string): Weights | undefined => {
    const known = weights.get(id) ?? copyOf(nodes.get(id), nodes);
    if (known !== undefined) weights.set(id, known);
    return known;
  };
  const readers = new Map<string, string[]>();
  const readBy = (value: string, conv: string): void => {
    const id = source(value);
    readers.set(id, [...(readers.get(id) ?? []), conv]);
  };
  for (const { conv, input, shortcut } of chip.convolutions) {
    readBy(input, conv);
    if (shortcut?.projection !== undefined) readBy(shortcut.start, shortcut.projection);
  }
  const leaving = new Set(chip.outputs.map(source));
  return chip.convolutions.flatMap((one): Edge[] => {
    const { conv, activation, shortcut } = one;
    const [producer, seen, bound] = [
      weightsOf(conv),
      peaks.get(activation),
      boundOf(nodes.get(activation)),
    ];
    const reading = (readers.get(activation) ?? []).map(weightsOf);
    const known = reading.filter((reader) => reader !== undefined);
    const isFree = shortcut === undefined && !tied.has(activation) && !leaving.has(activation);
    if (!isFree || producer === undefined || seen === undefined || bound === undefined) return [];
    if (known.length === 0 || known.length < reading.length) return [];
    const factors = new Float64Array(producer.shape[0] ?? 0).fill(1);
    return [{ activation, producer, readers: known, peaks: seen, bound, factors }];
  });
}

function copyOf(node: Node | undefined, nodes: ReadonlyMap<string, Node>): Weights | undefined {
  if (node?.op !== "conv") return undefined;
  const weight = constantOf(nodes.get(node.inputs[1] ?? ""));
  const bias = constantOf(nodes.get(node.inputs[2] ?? ""));
  if (weight?.dtype !== "float32") return undefined;
  return {
    node,
    weight: weight.data.slice(),
    bias: bias?.dtype === "float32" ? bias.data.slice() : undefined,
    shape: weight.shape,
  };
}

/** The largest value that an activation gives; undefined where factors do not pass through it. */
function boundOf(node: Node | undefined): number | undefined {
  if (node?.op === "relu") return node.attrs.slope === 0 ? Infinity : undefined;
  return node?.op === "clip" && node.attrs.min === 0 ? node.attrs.max : undefined;
}

function scaleEdge(edge: Edge, options: EqualizeOptions): void {
  const { producer, readers, factors } = edge;
  const rows = Float64Array.from(factors, (_, channel) => rowPeak(producer, channel));
  const columns = Float64Array.from(factors, (_, channel) =>
    readers.reduce((most, reader) => Math.max(most, columnPeak(reader, channel)), 0),
  );
  // How far a column stands out of its layer, against how far a row does.
  const imbalance = Math.max(...columns) / Math.max(...rows);
  for (let channel = 0; channel < factors.length; channel += 1) {
    const [row = 0, column = 0] = [rows[channel], columns[channel]];
    if ((edge.peaks.most[channel] ?? 0) <= nothing) {
      for (const reader of readers) scaleColumn(reader, channel, 0);
    } else if (row > nothing && column > nothing) {
      const balance = Math.sqrt(column / row / imbalance);
      scaleChannel(edge, channel, options.rule === "balance" ? balance : Infinity, options);
    }
  }
}

/** One more factor for a channel, as far as its levels have room. */
function scaleChannel(edge: Edge, channel: number, wanted: number, options: EqualizeOptions): void {
  const { producer, readers, peaks, factors, bound } = edge;
  // Without a cap, the channel that reaches furthest sets the range of levels; no other is scaled beyond.
  const range = options.caps?.get(edge.activation) ?? Math.min(bound, furthest(edge));
  const before = factors[channel] ?? 1;
  const factor = limited(before * wanted, peaks.usual[channel] ?? 0, range, bound, options);
  scaleRow(producer, channel, factor / before);
  for (const reader of readers) scaleColumn(reader, channel, before / factor);
  factors[channel] = factor;
}

/** The range of levels: what the usual peaks of all channels, unscaled, reach. */
function furthest({ peaks }: Edge): number {
  return peaks.usual.reduce((most, peak) => Math.max(most, peak), 0);
}

/** A factor that keeps the channel within the range; a channel that reaches its bound keeps its size. */
function limited(
  wanted: number,
  usual: number,
  range: number,
  bound: number,
  { most, rule }: EqualizeOptions,
): number {
  const fills = usual <= nothing ? most : Math.min(most, range / usual);
  const least = usual >= bound * 0.9998 ? 1 : 1 / most;
  if (rule === "caps") return Math.max(fills, least);
  const above = Math.max(1, fills);
  return Math.min(Math.max(wanted, rule === "levels" ? 1 : least), above);
}

function rowPeak({ weight, shape }: Weights, channel: number): number {
  const size = weight.length / (shape[0] ?? 1);
  let most = 0;
  for (let at = channel * size; at < (channel + 1) * size; at += 1) {
    most = Math.max(most, Math.abs(weight[at] ?? 0));
  }
  return most;
}

function scaleRow({ weight, bias, shape }: Weights, channel: number, factor: number): void {
  const size = weight.length / (shape[0] ?? 1);
  for (let at = channel * size; at < (channel + 1) * size; at += 1) {
    weight[at] = (weight[at] ?? 0) * factor;
  }
  if (bias !== undefined) bias[channel] = (bias[channel] ?? 0) * factor;
}

/** Calls back with the place of every weight that reads the input channel. */
function eachOfColumn(
  { node, weight, shape }: Weights,
  channel: number,
  visit: (at: number) => void,
): void {
  const [outputs = 1, perGroup = 1] = shape;
  const taps = weight.length / (outputs * perGroup);
  const outputsPerGroup = outputs / node.attrs.groups;
  const group = Math.floor(channel / perGroup);
  const inner = channel - group * perGroup;
  for (let output = group * outputsPerGroup; output < (group + 1) * outputsPerGroup; output += 1) {
    const first = (output * perGroup + inner) * taps;
    for (let at = first; at < first + taps; at += 1) visit(at);
  }
}

function columnPeak(weights: Weights, channel: number): number {
  let most = 0;
  eachOfColumn(weights, channel, (at) => {
    most = Math.max(most, Math.abs(weights.weight[at] ?? 0));
  });
  return most;
}

function scaleColumn(weights: Weights, channel: number, factor: number): void {
  eachOfColumn(weights, channel, (at) => {
    weights.weight[at] = (weights.weight[at] ?? 0) * factor;
  });
}

/** The graph with the scaled weights, and with scales around the activations that have a bound. */
function rebuilt(graph: Graph, edges: readonly Edge[]): Graph {
  const taken = new Set(graph.nodes.map(({ id }) => id));
  const fresh = (base: string): string => {
    const id = freshId(base, taken);
    taken.add(id);
    return id;
  };
  const changed = new Map<string, Weights>();
  for (const { producer, readers } of edges) {
    for (const one of [producer, ...readers]) changed.set(one.node.id, one);
  }
  const bounded = new Map(
    edges.filter(({ bound }) => bound < Infinity).map((edge) => [edge.activation, edge]),
  );
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    const weights = changed.get(node.id);
    if (weights !== undefined) return withWeights(weights, fresh);
    const edge = bounded.get(node.id);
    return edge === undefined ? [node] : scaledActivation(node, edge.factors, fresh);
  });
  return sweep({ ...graph, nodes });
}

type Fresh = (base: string) => string;

function constant(id: string, tensor: Tensor): Node {
  return { op: "const", id, inputs: [], attrs: { tensor } };
}

function withWeights({ node, weight, bias, shape }: Weights, fresh: Fresh): readonly Node[] {
  const [input = ""] = node.inputs;
  const made = [constant(fresh(`${node.id}.equal.weight`), float32(shape, weight))];
  if (bias !== undefined) {
    made.push(constant(fresh(`${node.id}.equal.bias`), float32([bias.length], bias)));
  }
  return [...made, { ...node, inputs: [input, ...made.map(({ id }) => id)] }];
}

/** `factor * clip(x / factor)`: the bound goes with the channel. */
function scaledActivation(node: Node, factors: Float64Array, fresh: Fresh): readonly Node[] {
  const [input = ""] = node.inputs;
  const down = constant(
    fresh(`${node.id}.down`),
    perChannel(factors, (factor) => 1 / factor),
  );
  const up = constant(
    fresh(`${node.id}.up`),
    perChannel(factors, (factor) => factor),
  );
  const [small, clipped] = [fresh(`${node.id}.small`), fresh(`${node.id}.clipped`)];
  return [
    down,
    { op: "scale", id: small, inputs: [input, down.id], attrs: { axis: 1 } },
    { ...node, id: clipped, inputs: [small] } as Node,
    up,
    { op: "scale", id: node.id, inputs: [clipped, up.id], attrs: { axis: 1 } },
  ];
}

function perChannel(factors: Float64Array, of: (factor: number) => number): Tensor<"float32"> {
  return float32([factors.length], Float32Array.from(factors, of));
}
