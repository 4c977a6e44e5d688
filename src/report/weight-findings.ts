/**
 * What is unusual about a network's constants: damage, zeros, ranges that quantize badly, copies.
 */
import { consumers, type Graph, nodeMap } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { weightedOps } from "../ir/shape-rules.ts";
import { formatShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { parametersOf } from "./cost.ts";
import { formatNumber } from "./format.ts";
import type { Finding } from "./reports.ts";

/** From this share of zeros on, weights count as sparse. */
const sparseShare = 0.5;
/** Between the widest and the narrowest channel; above it one scale per tensor loses the narrow. */
const channelRatio = 256;
/** Below this share of the largest weight a whole channel counts as zero: decay left it behind. */
const deadShare = 1e-6;
/** Largest weight that a trained network plausibly has. */
const hugeWeight = 1e4;
/** Below this variance a batch normalization divides by next to nothing. */
const tinyVariance = 1e-10;

type Stats = {
  readonly zeros: number;
  readonly notFinite: number;
  readonly maxAbs: number;
  /** Largest magnitude per index of the outermost axis. */
  readonly channelMax: readonly number[];
};

/** One pass over the values; NaN and infinities count apart and enter nothing else. */
function statsOf(values: ArrayLike<number>, channels: number): Stats {
  const size = values.length / Math.max(1, channels);
  const parts = Array.from({ length: channels }, (_, at) =>
    channelStats(values, at * size, (at + 1) * size),
  );
  return {
    zeros: parts.reduce((sum, part) => sum + part.zeros, 0),
    notFinite: parts.reduce((sum, part) => sum + part.notFinite, 0),
    maxAbs: parts.reduce((largest, part) => Math.max(largest, part.maxAbs), 0),
    channelMax: parts.map((part) => part.maxAbs),
  };
}

function channelStats(
  values: ArrayLike<number>,
  start: number,
  end: number,
): Omit<Stats, "channelMax"> {
  let [zeros, notFinite, maxAbs] = [0, 0, 0];
  for (let at = start; at < end; at += 1) {
    const magnitude = Math.abs(values[at] ?? 0);
    if (magnitude === 0) zeros += 1;
    else if (!(magnitude < Number.POSITIVE_INFINITY)) notFinite += 1;
    else if (magnitude > maxAbs) maxAbs = magnitude;
  }
  return { zeros, notFinite, maxAbs };
}

/** The values as numbers; undefined for types that hold raw bits or more than a number can. */
function numbersOf(tensor: Tensor): ArrayLike<number> | undefined {
  if (tensor.dtype === "int64" || tensor.dtype === "uint64") return undefined;
  return tensor.dtype === "float16" ? undefined : tensor.data;
}

/** Findings about the constants of every layer, in network order. */
export function weightFindings(graph: Graph): readonly Finding[] {
  const nodes = nodeMap(graph);
  return [
    ...withoutWeights(
      graph,
      graph.nodes.flatMap((node) => nodeFindings(node, nodes)),
    ),
    ...sharedConstants(graph),
    ...copiedConstants(graph),
  ];
}

/** Where every layer is zero, one sentence says it: the weights were not given. */
function withoutWeights(graph: Graph, findings: readonly Finding[]): readonly Finding[] {
  const layers = graph.nodes.filter((node) => weightedOps.has(node.op)).length;
  const zero = findings.filter(({ kind }) => kind === "zero-layer").length;
  if (layers < 2 || zero < layers) return findings;
  const message = "all weights of all layers are zero: the file of the weights is missing";
  const others = findings.filter(({ kind }) => kind !== "zero-layer");
  return [{ kind: "no-weights", node: null, message }, ...others];
}

function nodeFindings(node: Node, nodes: ReadonlyMap<string, Node>): readonly Finding[] {
  return [...parametersOf(node, nodes)].flatMap(([id, tensor]) => {
    const values = numbersOf(tensor);
    if (values === undefined || values.length === 0) return [];
    const index = node.inputs.indexOf(id);
    const isWeight = index === 1 && weightedOps.has(node.op);
    const stats = statsOf(values, isWeight ? (tensor.shape[0] ?? 1) : 1);
    const messages: readonly (readonly [kind: string, message: string])[] = [
      ...damage(stats, roleOf(node, index, id)),
      ...(isWeight ? weightMessages(stats, values.length) : []),
      ...(node.op === "batchNorm" && index === 2 ? varianceMessages(values) : []),
    ];
    return messages.map(([kind, message]) => ({ kind, node: node.id, message }));
  });
}

type Message = readonly [kind: string, message: string];

function roleOf(node: Node, index: number, id: string): string {
  if (!weightedOps.has(node.op)) return `constant "${id}"`;
  return ["input", "weights", "bias"][index] ?? `constant "${id}"`;
}

function damage(stats: Stats, role: string): readonly Message[] {
  const messages: Message[] = [];
  if (stats.notFinite > 0) {
    messages.push(["not-finite", `${role}: ${stats.notFinite} values are NaN or infinite`]);
  }
  if (stats.maxAbs > hugeWeight) {
    messages.push([
      "huge-value",
      `${role}: the largest magnitude is ${stats.maxAbs.toPrecision(3)}`,
    ]);
  }
  return messages;
}

function weightMessages(stats: Stats, total: number): readonly Message[] {
  if (stats.zeros === total) return [["zero-layer", "all weights are zero: the layer is constant"]];
  const messages: Message[] = [];
  const live = stats.channelMax.filter((largest) => largest > deadShare * stats.maxAbs);
  const dead = stats.channelMax.length - live.length;
  if (dead > 0) {
    messages.push([
      "dead-channels",
      `${dead} of ${stats.channelMax.length} output channels have only zero weights, or next to zero`,
    ]);
  }
  if (stats.zeros / total > sparseShare) {
    const percent = Math.round((100 * stats.zeros) / total);
    messages.push(["sparse", `${percent} % of the weights are zero`]);
  }
  const ratio = stats.maxAbs / live.reduce((a, b) => Math.min(a, b), stats.maxAbs);
  if (ratio > channelRatio) {
    messages.push([
      "channel-range",
      `the widest output channel spans ${formatNumber(ratio)} times the narrowest: quantize per channel`,
    ]);
  }
  return messages;
}

function varianceMessages(values: ArrayLike<number>): readonly Message[] {
  const list = Array.from(values);
  const negative = list.filter((value) => value < 0).length;
  const tiny = list.filter((value) => value >= 0 && value < tinyVariance).length;
  return [
    ...(negative > 0
      ? [["negative-variance", `${negative} variances are negative`] satisfies Message]
      : []),
    ...(tiny > 0
      ? [["tiny-variance", `${tiny} of ${list.length} variances are almost zero`] satisfies Message]
      : []),
  ];
}

/** One constant read by several layers. */
function sharedConstants(graph: Graph): readonly Finding[] {
  const readers = consumers(graph);
  return graph.nodes.flatMap((node) => {
    const users = node.op === "const" ? (readers.get(node.id) ?? []) : [];
    const layers = users.filter((user) => weightedOps.has(user.op)).map((user) => user.id);
    if (layers.length < 2) return [];
    return [{ kind: "shared-weights", node: node.id, message: `shared by ${layers.join(", ")}` }];
  });
}

/** Smallest constant that is worth a word when it occurs twice. */
const copyElements = 64;

/** Constants that hold the same values as an earlier one (all-zero ones left out). */
function copiedConstants(graph: Graph): readonly Finding[] {
  const seen = new Map<string, { readonly id: string; readonly tensor: Tensor }[]>();
  const findings: Finding[] = [];
  for (const node of graph.nodes) {
    if (node.op !== "const" || node.attrs.tensor.data.length < copyElements) continue;
    const { tensor } = node.attrs;
    const key = fingerprint(tensor);
    if (key === undefined) continue;
    const alike = seen.get(key) ?? [];
    const first = alike.find((other) => sameValues(other.tensor, tensor));
    if (first === undefined) seen.set(key, [...alike, { id: node.id, tensor }]);
    else {
      findings.push({
        kind: "duplicate",
        node: node.id,
        message: `holds the same values as ${first.id}`,
      });
    }
  }
  return findings;
}

/** Type, shape and a sample of the values; undefined where the sample is constant. */
function fingerprint(tensor: Tensor): string | undefined {
  const step = Math.max(1, Math.floor(tensor.data.length / 16));
  const sample = Array.from({ length: 16 }, (_, at) => String(tensor.data[at * step]));
  if (sample.every((value) => value === sample[0])) return undefined;
  return [tensor.dtype, formatShape(tensor.shape), ...sample].join(" ");
}

function sameValues(a: Tensor, b: Tensor): boolean {
  for (let at = 0; at < a.data.length; at += 1) if (a.data[at] !== b.data[at]) return false;
  return true;
}
