/**
 * The float network behind the chip as operations of a full model. host-graph.ts is the way back.
 */
import { usageError } from "../../../error.ts";
import { describe, type Graph, nodeMap, sweep } from "../../../ir/graph.ts";
import { inferTypes } from "../../../ir/infer.ts";
import type { Node } from "../../../ir/ops.ts";
import { type HostEntry, type HostLayers, writeEntries } from "./host-entry.ts";
import { type HostValue, type Scene, type Step, stepOf, unfolded } from "./host-rules.ts";
import { sizeOfShape } from "./map-size.ts";

export type HostOptions = {
  /**
   * What the chip gives times this is the network's input: cap / 31. 1 unless given, for a network that multiplies
   * by itself (a `scale` node behind its input) or whose input is in the chip's units.
   */
  readonly unit?: number;
  /** Name of the last chip's layer; `cnn` unless given. */
  readonly chip?: string;
};

/**
 * The network as POOLING, FC (with ReLU), SOFTMAX and ELTWISE, in order; or `why` it has no such form, beginning with
 * the first node that stands in the way.
 *
 * Float in, float out: the operations compute the network's function of what the chip hands over in its own units. The
 * unit goes into the weights of the first FC, bias unchanged, where only poolings and flattening stand between; a
 * factor met later (`scale`, `power`) likewise. Dropout, identity, and whatever only flattens leave nothing behind.
 * A FC is a `linear` node, or a convolution whose kernel is as large as its map.
 *
 * A pooling needs windows that tile the map, since a full model does not write windows: 14x14 -> 7x7 by 2x2 and stride 2,
 * any map -> 1x1, but not 3x3 and stride 2. Each FC has a file of its own, since it is not known where the ReLU of an operation of several
 * layers stands.
 */
export function hostLayersOf(
  after: Graph,
  options: HostOptions = {},
): HostLayers | { readonly why: string } {
  const { unit = 1, chip = "cnn" } = options;
  if (!(unit > 0 && unit < Number.POSITIVE_INFINITY)) {
    throw usageError("the unit of the chip's values must be positive", { got: `${unit}` });
  }
  const entries = walk(sweep(after), unit);
  return typeof entries === "string" ? { why: entries } : writeEntries(entries, chip);
}

/** The operations, or why there are none. */
function walk(graph: Graph, unit: number): readonly HostEntry[] | string {
  const entries: HostEntry[] = [];
  const values = new Map<string, HostValue>();
  const scene: Scene = { nodes: nodeMap(graph), types: inferTypes(graph), values, entries };
  const uses = useCounts(graph);
  for (const node of graph.nodes) {
    if (node.op === "const" || (node.op === "input" && !uses.has(node.id))) continue;
    const step = node.op === "input" ? entered(node, values.size, unit) : stepOf(node, scene);
    if (typeof step === "string") return `${describe(node)}: ${step}`;
    const source = values.get(node.inputs[0] ?? "");
    const isCopy = step.entry === undefined && source !== undefined;
    take(entries, step);
    const exclusive = uses.get(node.id) === 1 && (!isCopy || source.exclusive);
    values.set(node.id, { at: entries.length - 1, size: step.size, unit: step.unit, exclusive });
  }
  return ending(graph, scene) ?? entries;
}

/** How often nodes and outputs read each value. */
function useCounts(graph: Graph): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  const read = [
    ...graph.nodes.flatMap(({ inputs }) => inputs),
    ...graph.outputs.map(({ id }) => id),
  ];
  for (const id of read) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

function entered(node: Node<"input">, earlier: number, unit: number): Step | string {
  if (earlier > 0) return "it is a second input";
  const size = sizeOfShape(node.attrs.shape);
  return size === undefined ? "it is neither a map nor a list of values" : { size, unit };
}

/** Adds the step's operation, or its ReLU to the last one. */
function take(entries: HostEntry[], { entry, relu }: Step): void {
  if (entry !== undefined) entries.push(entry);
  const last = entries.at(-1);
  if (relu === true && last?.operation === "FC") {
    entries[entries.length - 1] = { ...last, activation: "relu" };
  }
}

/** What is wrong with the network's end; undefined where nothing is. */
function ending({ outputs }: Graph, { values, entries }: Scene): string | undefined {
  const [output, second] = outputs;
  if (output === undefined) return "the network behind the chip has no output";
  const value = values.get(output.id);
  const name = `output "${output.name}"`;
  if (second !== undefined) return `output "${second.name}": a full model gives one value`;
  if (value?.at !== entries.length - 1) return `${name}: it is not the last value`;
  return value.unit === 1 ? undefined : `${name}: ${unfolded(value)}`;
}
