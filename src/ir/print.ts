/**
 * The graph as short, stable text: one line per node, constants folded into their readers. Tests of
 * passes are snapshots of it.
 */
import { formatShape } from "../tensor/shape.ts";
import type { Graph } from "./graph.ts";
import { inferTypes, type Types } from "./infer.ts";
import type { Node } from "./ops.ts";

/** `conv1: float32[1x96x111x111] = conv(data, [96x3x7x7], [96]) stride=2,2` */
export function printGraph(graph: Graph): string {
  const types = inferTypes(graph);
  const nodes = new Map(graph.nodes.map((node) => [node.id, node]));
  const outputs = new Set(graph.outputs.map((output) => output.id));
  const lines = graph.nodes
    .filter((node) => node.op !== "const" || outputs.has(node.id))
    .map((node) => printNode(node, nodes, types));
  const results = graph.outputs.map(({ name, id }) => (name === id ? id : `${name}=${id}`));
  return [...lines, `-> ${results.join(", ")}`].join("\n");
}

function printNode(node: Node, nodes: ReadonlyMap<string, Node>, types: Types): string {
  const type = types.get(node.id);
  const annotation = type === undefined ? "" : `: ${type.dtype}[${formatShape(type.shape)}]`;
  const inputs = node.inputs.map((id) => {
    const input = nodes.get(id);
    return input?.op === "const" ? `[${formatShape(input.attrs.tensor.shape)}]` : id;
  });
  const name = node.op === "opaque" ? `opaque:${node.attrs.opType}` : node.op;
  return `${node.id}${annotation} = ${name}(${inputs.join(", ")})${printAttrs(node)}`;
}

/** Attributes that say something: defaults such as zero pads and unit strides are left out. */
function printAttrs(node: Node): string {
  if (node.op === "const" || node.op === "opaque" || node.op === "input") return "";
  const parts = Object.entries(node.attrs).flatMap(([key, value]) => {
    const text = printValue(value);
    return quietDefaults.has(`${key}=${text}`) ? [] : [`${key}=${text}`];
  });
  return parts.length === 0 ? "" : ` ${parts.join(" ")}`;
}

const quietDefaults: ReadonlySet<string> = new Set([
  "stride=1,1",
  "pads=0,0,0,0",
  "dilation=1,1",
  "groups=1",
  "ceil=false",
  "slope=0",
]);

function printValue(value: unknown): string {
  if (Array.isArray(value)) return value.map(String).join(",");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
