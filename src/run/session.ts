/**
 * A graph ready to run: ONNX Runtime computes everything but the host operators (SSD's
 * DetectionOutput) and what stands behind them, which the scalar interpreter computes.
 */
import type { Runtime, Values } from "../engine/runtime.ts";
import { InlayError, workError } from "../error.ts";
import { lowerToOnnx } from "../formats/onnx/lower.ts";
import { type Graph, nodeMap, sweep } from "../ir/graph.ts";
import { hostIds, readByHost } from "../ir/host.ts";
import { inferTypes, withBatch } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
import { foldPriorBox } from "../passes/fold-prior-box.ts";
import { foldQuantLayers } from "../passes/fold-quant-layers.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { runScalar } from "./scalar/run-scalar.ts";

export type GraphSession = {
  /** Ids of the input nodes. */
  readonly inputs: readonly string[];
  /** Runs once; gives every graph output and tap by node id. */
  readonly run: (feeds: Values) => Promise<Values>;
  readonly release: () => Promise<void>;
};

export type SessionOptions = {
  /** Ids of further values to give back. */
  readonly taps?: readonly string[];
  /** "symbolic" takes any batch size. */
  readonly batch?: "symbolic" | number;
};

/**
 * Lowers and loads a graph. Release the session before the next one: their thread pools compete.
 * The batch may be any size only where the graph was not fixed to one (`takesAnyBatch`).
 */
export async function openSession(
  graph: Graph,
  runtime: Runtime,
  options: SessionOptions = {},
): Promise<GraphSession> {
  const parts = splitAtHost(foldQuantLayers(foldPriorBox(graph)), options.taps ?? []);
  const { device, host } = parts;
  const batch = options.batch ?? "symbolic";
  const session =
    device.outputs.length === 0 ? undefined : await runtime.load(lowerToOnnx(device, { batch }));
  const inputs = device.nodes.filter((node) => node.op === "input").map((node) => node.id);
  return {
    inputs,
    run: async (feeds) => {
      checkFeeds(inputs, feeds);
      const results = (await session?.run(feeds)) ?? new Map<string, Tensor>();
      return host.length === 0 ? results : runHost(parts, new Map([...feeds, ...results]));
    },
    release: async () => session?.release(),
  };
}

function checkFeeds(inputs: readonly string[], feeds: Values): void {
  const missing = inputs.find((id) => !feeds.has(id));
  if (missing !== undefined) throw workError(`no value was given for input "${missing}"`);
}

type Parts = {
  /** What ONNX Runtime computes; its outputs are those asked for, and what the host reads. */
  readonly device: Graph;
  /** Host operators and all that depends on them, with the constants that they read. */
  readonly host: readonly Node[];
  /** Ids of the values to give back. */
  readonly wanted: readonly string[];
};

function splitAtHost(graph: Graph, taps: readonly string[]): Parts {
  const nodes = nodeMap(graph);
  const wanted = [...new Set([...graph.outputs.map(({ id }) => id), ...taps])];
  const onHost = hostIds(graph);
  const read = readByHost(graph, onHost);
  // The host has constants and fed values itself; ONNX Runtime need not hand them over.
  const computed = (id: string): boolean => !["const", "input"].includes(nodes.get(id)?.op ?? "");
  const outputs = new Set([...wanted.filter((id) => !onHost.has(id)), ...read.filter(computed)]);
  const constants = new Set(read.filter((id) => nodes.get(id)?.op === "const"));
  return {
    device: needed({
      ...graph,
      nodes: graph.nodes.filter((node) => !onHost.has(node.id)),
      outputs: [...outputs].map((id) => ({ name: id, id })),
    }),
    host: graph.nodes.filter(({ id }) => onHost.has(id) || constants.has(id)),
    wanted,
  };
}

/**
 * Without what nobody asks for: large layers may stand behind the last value. A graph with an operator that only the
 * runtime may know stays whole, so that a job which cannot end well is told so by its first session.
 */
function needed(graph: Graph): Graph {
  return graph.nodes.some(({ op }) => op === "opaque") ? graph : sweep(graph);
}

/** Runs the host's nodes on the values that were fed or computed before them. */
function runHost({ host, wanted }: Parts, given: Values): Values {
  const own = new Set(host.map(({ id }) => id));
  const before = [...given].filter(([id]) => !own.has(id));
  const inputs = before.map(
    ([id, { dtype, shape }]): Node => ({ op: "input", id, inputs: [], attrs: { dtype, shape } }),
  );
  const graph: Graph = {
    name: "host",
    nodes: [...inputs, ...host],
    outputs: wanted.filter((id) => own.has(id)).map((id) => ({ name: id, id })),
    opsets: {},
  };
  const results = runScalar(graph, given);
  return new Map(
    wanted.flatMap((id): [string, Tensor][] => {
      const value = results.get(id) ?? given.get(id);
      return value === undefined ? [] : [[id, value]];
    }),
  );
}

/** True where the graph takes any batch size: nothing in it was fixed to one by its exporter. */
export function takesAnyBatch(graph: Graph): boolean {
  if (graph.nodes.some((node) => node.op === "opaque" || node.op === "detectionOutput"))
    return false;
  const nodes = nodeMap(graph);
  try {
    const types = inferTypes(withBatch(graph, 2));
    const computed = graph.outputs.filter(({ id }) => nodes.get(id)?.op !== "const");
    return computed.every(({ id }) => types.get(id)?.shape[0] === 2);
  } catch (error) {
    // A fixed reshape does not hold two pictures: its shape rule says so.
    if (error instanceof InlayError) return false;
    throw error;
  }
}
