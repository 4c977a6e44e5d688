/**
 * Decides where a float network gets integers: which values lie on a grid, which of them share one,
 * which layers give real values, and what stays in float, with the reason.
 */
import { constantOf, consumers, describe, type Graph, nodeMap } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import { movers } from "../ir/movers.ts";
import type { Node, Op } from "../ir/ops.ts";
import type { Target } from "../target/target.ts";
import { sameShape } from "../tensor/shape.ts";

type FloatLayer = { readonly name: string; readonly op: string; readonly reason: string };

export type QuantizePlan = {
  /** Values that are rounded to a grid, by id; the grid is that of the value it maps to. */
  readonly gridOwner: ReadonlyMap<string, string>;
  /** Values whose range decides a grid, by the grid's owner. */
  readonly sources: ReadonlyMap<string, readonly string[]>;
  /** Convolutions and fully connected layers with integer weights. */
  readonly layers: readonly Extract<Node, { op: "conv" | "linear" }>[];
  readonly floatLayers: readonly FloatLayer[];
};

/** Operators that carry no arithmetic worth naming among what stays in float. */
const quiet: ReadonlySet<Op> = new Set<Op>(["input", "const", "result"]);

type Scope = {
  readonly target: Target;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly types: Types;
  readonly readers: ReadonlyMap<string, readonly Node[]>;
  readonly outputs: ReadonlySet<string>;
};

/** Plans a canonical float graph for a target. */
export function planQuantization(graph: Graph, target: Target): QuantizePlan {
  const scope: Scope = {
    target,
    nodes: nodeMap(graph),
    types: inferTypes(graph),
    readers: consumers(graph),
    outputs: new Set(graph.outputs.map((output) => output.id)),
  };
  const beforeLayer = upstreamOfLayers(graph, scope);
  const layers = graph.nodes.filter((node) => isLayer(node, scope)) as QuantizePlan["layers"];
  const onGrid = graph.nodes.filter((node) => liesOnGrid(node, beforeLayer, scope));
  const owners = tieGrids(onGrid);
  const sources = new Map<string, string[]>();
  for (const node of onGrid) {
    const owner = owners.get(node.id) ?? node.id;
    const list = sources.get(owner) ?? [];
    if (!movers.has(node.op)) list.push(node.id);
    sources.set(owner, list);
  }
  return { gridOwner: owners, sources, layers, floatLayers: staysFloat(graph, beforeLayer, scope) };
}

/** Ids of the values from which an integer layer can be reached. */
function upstreamOfLayers(graph: Graph, scope: Scope): ReadonlySet<string> {
  const upstream = new Set<string>();
  for (const node of graph.nodes.toReversed()) {
    if (isLayer(node, scope) || upstream.has(node.id)) {
      for (const id of node.inputs) upstream.add(id);
    }
  }
  return upstream;
}

function isLayer(node: Node, scope: Scope): boolean {
  if (node.op !== "conv" && node.op !== "linear") return false;
  if (!scope.target.integerOperators.has(node.op)) return false;
  return node.inputs.slice(1).every((id) => constantOf(scope.nodes.get(id))?.dtype === "float32");
}

/** True where the operator has an integer form with these inputs. */
function hasIntegerForm(node: Node, scope: Scope): boolean {
  if (isLayer(node, scope)) return true;
  if (!scope.target.integerOperators.has(node.op)) return false;
  const computed = node.inputs.every((id) => scope.nodes.get(id)?.op !== "const");
  if (movers.has(node.op)) return computed;
  switch (node.op) {
    case "relu":
      return node.attrs.slope === 0;
    case "clip":
    case "globalAvgPool":
      return true;
    case "avgPool":
      return !(node.attrs.countPad && node.attrs.pads.some((pad) => pad > 0));
    case "add":
      return computed && addsSameShapes(node, scope);
    default:
      return false;
  }
}

function addsSameShapes(node: Node, scope: Scope): boolean {
  const [a, b, ...rest] = node.inputs.map((id) => scope.types.get(id)?.shape);
  return a !== undefined && b !== undefined && rest.length === 0 && sameShape(a, b);
}

/** ReLU and Clip join the layer before them, where nothing else reads it. */
function joinsReader(node: Node, scope: Scope): boolean {
  if (movers.has(node.op) || !hasIntegerForm(node, scope) || scope.outputs.has(node.id))
    return false;
  const readers = scope.readers.get(node.id) ?? [];
  const [reader] = readers;
  return (
    readers.length === 1 &&
    reader !== undefined &&
    (reader.op === "relu" || reader.op === "clip") &&
    hasIntegerForm(reader, scope)
  );
}

function liesOnGrid(node: Node, beforeLayer: ReadonlySet<string>, scope: Scope): boolean {
  if (node.op === "const" || !beforeLayer.has(node.id)) return false;
  if (scope.types.get(node.id)?.dtype !== "float32") return false;
  if (hasIntegerForm(node, scope)) return !joinsReader(node, scope);
  return (scope.readers.get(node.id) ?? []).some((reader) => hasIntegerForm(reader, scope));
}

/** Operators that only move integers share one grid with what they move. */
function tieGrids(nodes: readonly Node[]): ReadonlyMap<string, string> {
  const parent = new Map(nodes.map((node) => [node.id, node.id]));
  const find = (id: string): string => {
    const up = parent.get(id) ?? id;
    return up === id ? id : find(up);
  };
  for (const node of nodes) {
    if (!movers.has(node.op)) continue;
    for (const id of node.inputs) if (parent.has(id)) parent.set(find(node.id), find(id));
  }
  return new Map(nodes.map((node) => [node.id, find(node.id)]));
}

function staysFloat(
  graph: Graph,
  beforeLayer: ReadonlySet<string>,
  scope: Scope,
): readonly FloatLayer[] {
  return graph.nodes.flatMap((node) => {
    const integer =
      isLayer(node, scope) || (beforeLayer.has(node.id) && hasIntegerForm(node, scope));
    if (integer || quiet.has(node.op)) return [];
    const name = describe(node).split(" ")[0] ?? node.op;
    return [{ name: node.id, op: name, reason: floatReason(node, beforeLayer, scope) }];
  });
}

function floatReason(node: Node, beforeLayer: ReadonlySet<string>, scope: Scope): string {
  if (!beforeLayer.has(node.id)) return "stands behind the last integer layer";
  if (node.op === "opaque") return "is not in the operator table; ONNX Runtime runs it in float";
  const computed = node.inputs.slice(1).some((id) => scope.nodes.get(id)?.op !== "const");
  if ((node.op === "conv" || node.op === "linear") && computed) return "its weights are computed";
  return `has no integer form in target ${scope.target.name}`;
}

/** What calibration has to observe for a plan: ranges of the sources, means of the layers' inputs. */
export function wantedValues(
  plan: QuantizePlan,
): ReadonlyMap<string, { readonly range: boolean; readonly mean: boolean }> {
  const wanted = new Map<string, { readonly range: boolean; readonly mean: boolean }>();
  for (const id of [...plan.sources.values()].flat()) wanted.set(id, { range: true, mean: false });
  for (const [x = ""] of plan.layers.map((layer) => layer.inputs)) {
    wanted.set(x, { range: wanted.get(x)?.range ?? false, mean: true });
  }
  return wanted;
}
