/**
 * The inspection of a graph: layers, shapes, parameters, work, memory, and what is unusual.
 */
import { consumers, type Graph, nodeMap, nodesOf } from "../ir/graph.ts";
import { inferTypes, type Types } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  activationBytes,
  macsOf,
  owner,
  parametersOf,
  peakActivationBytes,
  typeBytes,
} from "./cost.ts";
import type { InspectLayer, InspectReport, Port, ReportWarning } from "./reports.ts";
import { structureFindings } from "./structure-findings.ts";
import { weightFindings } from "./weight-findings.ts";

export type InspectOptions = {
  /** The files that the graph was read from. */
  readonly source: readonly string[];
  readonly format?: InspectReport["format"];
  readonly warnings?: readonly ReportWarning[];
};

/** The report of a graph, as it stands. Throws where its shapes contradict each other. */
export function inspectGraph(graph: Graph, options: InspectOptions): InspectReport {
  const types = inferTypes(graph);
  const layers = inspectLayers(graph, types);
  const constants = allParameters(graph);
  return {
    schema: "inlay.inspect/1",
    model: graph.name,
    source: options.source,
    format: options.format ?? null,
    inputs: nodesOf(graph, "input").map((node) => port(node.id, node.id, types)),
    outputs: graph.outputs.map(({ name, id }) => port(name, id, types)),
    layers,
    totals: {
      layers: layers.length,
      parameters: elements(constants),
      macs: layers.reduce((sum, layer) => sum + (layer.macs ?? 0), 0),
      weightBytes: bytes(constants),
      peakActivationBytes: peakActivationBytes(graph, types),
    },
    opaque: opaqueOperators(graph),
    unusual: [...structureFindings(graph, types), ...weightFindings(graph)],
    warnings: options.warnings ?? [],
  };
}

function port(name: string, id: string, types: Types): Port {
  const type = types.get(id);
  return { name, dtype: type?.dtype ?? null, shape: type?.shape ?? null };
}

const isLayer = (node: Node): boolean =>
  node.op !== "const" && node.op !== "input" && node.op !== "result";

function inspectLayers(graph: Graph, types: Types): readonly InspectLayer[] {
  const nodes = nodeMap(graph);
  const activations = activationBytes(graph, types);
  const readers = consumers(graph);
  return graph.nodes.filter(isLayer).map((node) => {
    const parameters = parametersOf(node, nodes);
    return {
      name: node.id,
      op: node.op === "opaque" ? node.attrs.opType : node.op,
      inputs: valueInputs(node, nodes),
      outputShape: types.get(firstResult(node, readers))?.shape ?? null,
      parameters: elements(parameters),
      macs: macsOf(node, types),
      weightBytes: bytes(parameters),
      activationBytes: activations.get(node.id) ?? null,
    };
  });
}

/** The layers and inputs that a node reads. */
function valueInputs(node: Node, nodes: ReadonlyMap<string, Node>): readonly string[] {
  return node.inputs.flatMap((id) => {
    const input = nodes.get(id);
    return input === undefined || input.op === "const" ? [] : [owner(input)];
  });
}

/** The value that stands for a node's output: result 0 of an opaque node. */
function firstResult(node: Node, readers: ReadonlyMap<string, readonly Node[]>): string {
  if (node.op !== "opaque") return node.id;
  const results = (readers.get(node.id) ?? []).filter((reader) => reader.op === "result");
  return results.find((result) => result.attrs.index === 0)?.id ?? node.id;
}

/** All parameters of the graph, each once however many layers share it. */
function allParameters(graph: Graph): ReadonlyMap<string, Tensor> {
  const nodes = nodeMap(graph);
  return new Map(graph.nodes.flatMap((node) => [...parametersOf(node, nodes)]));
}

function elements(constants: ReadonlyMap<string, Tensor>): number {
  return [...constants.values()].reduce((sum, tensor) => sum + tensor.data.length, 0);
}

function bytes(constants: ReadonlyMap<string, Tensor>): number {
  return [...constants.values()].reduce((sum, tensor) => sum + typeBytes(tensor), 0);
}

function opaqueOperators(graph: Graph): InspectReport["opaque"] {
  const found = new Map<string, { opType: string; domain: string; nodes: string[] }>();
  for (const node of nodesOf(graph, "opaque")) {
    const { opType, domain } = node.attrs;
    const key = `${domain} ${opType}`;
    const entry = found.get(key);
    if (entry === undefined) found.set(key, { opType, domain, nodes: [node.id] });
    else entry.nodes.push(node.id);
  }
  return [...found.values()].toSorted((a, b) => (a.opType < b.opType ? -1 : 1));
}
