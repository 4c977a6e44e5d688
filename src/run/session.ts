/**
 * A graph ready to run: ONNX Runtime computes everything but the host operators (SSD's
 * DetectionOutput) and what stands behind them, which the scalar interpreter computes.
 */
import type { Runtime, Values } from "../engine/runtime.ts";
import { InlayError, workError } from "../error.ts";
import { lowerToOnnx } from "../formats/onnx/lower.ts";
import type { Graph } from "../ir/graph.ts";
import { inferTypes, withBatch } from "../ir/infer.ts";
import type { Node } from "../ir/ops.ts";
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

/** Lowers and loads a graph. Release the session before the next one: their thread pools compete. */
export async function openSession(
  graph: Graph,
  runtime: Runtime,
  options: SessionOptions = {},
): Promise<GraphSession> {
  const wanted = [...new Set([...graph.outputs.map(({ id }) => id), ...(options.taps ?? [])])];
  const host = hostNodes(graph);
  const onDevice = wanted.filter((id) => !host.has(id));
  const handedOver = [...host.values()].flatMap((node) =>
    node.inputs.filter((id) => !host.has(id)),
  );
  const deviceOutputs = [...new Set([...onDevice, ...handedOver])];
  const device: Graph = {
    ...graph,
    nodes: graph.nodes.filter((node) => !host.has(node.id)),
    outputs: deviceOutputs.map((id) => ({ name: id, id })),
  };
  const session = await runtime.load(lowerToOnnx(device, { batch: options.batch ?? "symbolic" }));
  const inputs = graph.nodes.filter((node) => node.op === "input").map((node) => node.id);
  return {
    inputs,
    run: async (feeds) => {
      checkFeeds(inputs, feeds);
      const results = await session.run(feeds);
      return host.size === 0 ? results : runHost(host, results, wanted);
    },
    release: session.release,
  };
}

function checkFeeds(inputs: readonly string[], feeds: Values): void {
  const missing = inputs.find((id) => !feeds.has(id));
  if (missing !== undefined) throw workError(`no value was given for input "${missing}"`);
}

/** Host operators and all that depends on them, by id. */
function hostNodes(graph: Graph): ReadonlyMap<string, Node> {
  const host = new Map<string, Node>();
  for (const node of graph.nodes) {
    if (node.op === "detectionOutput" || node.inputs.some((id) => host.has(id))) {
      host.set(node.id, node);
    }
  }
  return host;
}

function runHost(
  host: ReadonlyMap<string, Node>,
  given: Values,
  wanted: readonly string[],
): Values {
  const inputs = [...given].map(
    ([id, { dtype, shape }]): Node => ({ op: "input", id, inputs: [], attrs: { dtype, shape } }),
  );
  const graph: Graph = {
    name: "host",
    nodes: [...inputs, ...host.values()],
    outputs: wanted.map((id) => ({ name: id, id })),
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
  try {
    const types = inferTypes(withBatch(graph, 2));
    return graph.outputs.every(({ id }) => types.get(id)?.shape[0] === 2);
  } catch (error) {
    // A fixed reshape does not hold two pictures: its shape rule says so.
    if (error instanceof InlayError) return false;
    throw error;
  }
}
