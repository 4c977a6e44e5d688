/**
 * Activations in front of the pooling that they follow: the chip's pooling works on activated values. A
 * function that never falls commutes with a maximum.
 */
import type { Graph } from "../../../ir/graph.ts";
import type { Node } from "../../../ir/ops.ts";
import { soleReader, type View, viewOf } from "./view.ts";

/** The graph with every `maxPool -> relu` as `relu -> maxPool`; both nodes keep their names. */
export function activationFirst(graph: Graph): Graph {
  let current = graph;
  // One step per round moves an activation over one pooling; more poolings in a row were never seen.
  for (let round = 0; round < maxRounds; round += 1) {
    const next = moveOnce(current);
    if (next === current) break;
    current = next;
  }
  return current;
}

const maxRounds = 8;

function moveOnce(graph: Graph): Graph {
  const view = viewOf(graph);
  /** Pooling of each activation that moves. */
  const pools = new Map<string, Node<"maxPool">>();
  const moved = new Set<string>();
  for (const node of graph.nodes) {
    const pool = poolBefore(node, view);
    if (pool === undefined || moved.has(pool.id) || pools.has(pool.inputs[0] ?? "")) continue;
    pools.set(node.id, pool);
    moved.add(pool.id);
  }
  if (pools.size === 0) return graph;
  const rename = (id: string): string => pools.get(id)?.id ?? id;
  const nodes = graph.nodes.flatMap((node): Node[] => {
    if (moved.has(node.id)) return [];
    const pool = pools.get(node.id);
    if (pool === undefined) return [{ ...node, inputs: node.inputs.map(rename) }];
    const [before = "", ...operands] = [rename(pool.inputs[0] ?? ""), ...node.inputs.slice(1)];
    return [
      { ...node, inputs: [before, ...operands] },
      { ...pool, inputs: [node.id] },
    ];
  });
  const outputs = graph.outputs.map(({ name, id }) => ({ name, id: rename(id) }));
  return { ...graph, nodes, outputs };
}

/** The pooling that only this activation reads. */
function poolBefore(node: Node, view: View): Node<"maxPool"> | undefined {
  if (!isChips(node)) return undefined;
  const pool = view.nodes.get(node.inputs[0] ?? "");
  return pool?.op === "maxPool" && soleReader(view, pool.id) === node ? pool : undefined;
}

/** True for activations that the chip has; they never fall. Others would gain nothing by the move. */
function isChips(node: Node): boolean {
  if (node.op === "relu" || node.op === "quantRelu") return node.attrs.slope === 0;
  return node.op === "clip" && node.attrs.min >= 0 && node.attrs.min <= node.attrs.max;
}
