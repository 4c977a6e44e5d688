/**
 * What a graph computes while it is trained, as a graph that the scalar interpreter runs: batch norms take their
 * statistics from the batch, dropouts multiply by a mask that is fed. It is a definition, and slow.
 */
import type { Graph } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import type { BatchStatistics } from "../src/ir/training.ts";
import type { Shape } from "../src/tensor/shape.ts";

/** The mask of a dropout: an input of this name. */
export const maskOf = (id: string): string => `${id}/mask`;

/**
 * The graph with training's batch norms and dropouts written out, and the wanted constants as inputs. Shapes are those
 * of the declared inputs.
 */
export function trainingReference(
  graph: Graph,
  wanted: readonly string[],
  statistics: readonly BatchStatistics[],
): Graph {
  const types = inferTypes(graph);
  const shapeOf = (id: string | undefined): Shape => types.get(id ?? "")?.shape ?? [];
  const fromBatch = new Set(statistics.map(({ id }) => id));
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (node.op === "batchNorm" && fromBatch.has(node.id)) {
      return normalizedByBatch(node, shapeOf(node.inputs[0]));
    }
    if (node.op === "const" && wanted.includes(node.id)) {
      const { dtype, shape } = node.attrs.tensor;
      return [{ op: "input", id: node.id, inputs: [], attrs: { dtype, shape } }];
    }
    if (node.op === "dropout" && node.attrs.ratio > 0) return masked(node, shapeOf(node.id));
    return [node];
  });
  return { ...graph, nodes };
}

function masked(node: Node<"dropout">, shape: Shape): readonly Node[] {
  const mask = maskOf(node.id);
  return [
    { op: "input", id: mask, inputs: [], attrs: { dtype: "float32", shape } },
    { op: "mul", id: node.id, inputs: [node.inputs[0] ?? "", mask], attrs: {} },
  ];
}

/** Mean and variance (of the batch itself: divided by the count) over all axes but the second. */
function normalizedByBatch(node: Node<"batchNorm">, shape: Shape): readonly Node[] {
  const [input = "", , , ...affine] = node.inputs;
  const [n = 1, channels = 1, ...image] = shape;
  const inner = image.reduce((product, dim) => product * dim, 1);
  const name = (part: string): string => `${node.id}/reference/${part}`;
  const square: Node = {
    op: "mul",
    id: name("square"),
    inputs: [name("centred"), name("centred")],
    attrs: {},
  };
  return [
    reshape(name("x"), input, [n, channels, inner, 1]),
    ...meanOf(name("x"), name("mean"), channels, n * inner),
    reshape(name("column"), name("mean"), [1, channels, 1, 1]),
    { op: "sub", id: name("centred"), inputs: [name("x"), name("column")], attrs: {} },
    square,
    ...meanOf(name("square"), name("variance"), channels, n * inner),
    { ...node, inputs: [input, name("mean"), name("variance"), ...affine] },
  ];
}

/** The mean of each channel of [n, channels, inner, 1] as [channels]. */
function meanOf(from: string, to: string, channels: number, count: number): readonly Node[] {
  return [
    { op: "transpose", id: `${to}/turned`, inputs: [from], attrs: { perm: [1, 0, 2, 3] } },
    reshape(`${to}/rows`, `${to}/turned`, [1, channels, count, 1]),
    { op: "globalAvgPool", id: `${to}/pooled`, inputs: [`${to}/rows`], attrs: {} },
    reshape(to, `${to}/pooled`, [channels]),
  ];
}

function reshape(id: string, from: string, shape: Shape): Node<"reshape"> {
  return { op: "reshape", id, inputs: [from], attrs: { shape } };
}
