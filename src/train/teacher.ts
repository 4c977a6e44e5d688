/**
 * A network in training with a teacher beside it: another network that sees the same pictures and learns nothing.
 */
import { usageError } from "../error.ts";
import { type Graph, nodeMap, nodesOf, sweep } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { TrainingNetwork } from "../ir/training.ts";

export type Teaching = {
  /** Takes what the network in training takes; its one output are scores, or the softmax of them. */
  readonly graph: Graph;
  /** Share of the teacher's loss in the whole, 0..1. */
  readonly share: number;
  readonly temperature: number;
};

/**
 * The network with the teacher's nodes, under ids of their own, and a second loss. The losses that were there count
 * `1 - share`. Throws where the two do not take the same input.
 */
export function withTeacher(network: TrainingNetwork, teaching: Teaching): TrainingNetwork {
  const { graph, scores } = scoresOf(teaching.graph);
  const shared = sharedInput(network.graph, graph);
  const own = (id: string): string => (id === shared.theirs ? shared.ours : `teacher:${id}`);
  const nodes = graph.nodes.flatMap((node): readonly Node[] =>
    node.op === "input"
      ? []
      : [{ ...node, id: own(node.id), inputs: node.inputs.map(own) } as Node],
  );
  const [judged] = network.losses;
  if (judged?.kind !== "softmax") throw usageError("a teacher needs a softmax loss beside it");
  const { share, temperature } = teaching;
  return {
    ...network,
    graph: { ...network.graph, nodes: [...network.graph.nodes, ...nodes] },
    losses: [
      ...network.losses.map((loss) => ({ ...loss, weight: loss.weight * (1 - share) })),
      {
        ...{ kind: "distillation", layer: "teacher", name: "teacher", weight: share },
        ...{ scores: judged.scores, teacher: own(scores), temperature },
      },
    ],
  };
}

/** Ids of the one input that both have: of the same type and shape. */
function sharedInput(
  network: Graph,
  teacher: Graph,
): { readonly ours: string; readonly theirs: string } {
  const [theirs, ...more] = nodesOf(teacher, "input");
  const same = nodesOf(network, "input").find(
    ({ attrs }) =>
      attrs.dtype === theirs?.attrs.dtype && attrs.shape.join() === theirs.attrs.shape.join(),
  );
  if (theirs !== undefined && same !== undefined && more.length === 0) {
    return { ours: same.id, theirs: theirs.id };
  }
  throw usageError("a teacher must take the pictures that the network takes", {
    got: theirs === undefined ? "no input" : `${theirs.id} ${theirs.attrs.shape.join("x")}`,
  });
}

/** The graph up to its scores. */
function scoresOf(graph: Graph): { readonly graph: Graph; readonly scores: string } {
  const [output] = graph.outputs;
  const last = nodeMap(graph).get(output?.id ?? "");
  const scores = (last?.op === "softmax" ? last.inputs[0] : output?.id) ?? "";
  return { graph: sweep({ ...graph, outputs: [{ name: "scores", id: scores }] }), scores };
}
