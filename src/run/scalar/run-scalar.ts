/**
 * The scalar interpreter: the plain definition that every faster path must equal. It is for tests,
 * proofs and gradient checks; nets run through ONNX Runtime.
 */
import { workError } from "../../error.ts";
import { describe, type Graph } from "../../ir/graph.ts";
import { apply, type Node } from "../../ir/ops.ts";
import { shapeRules } from "../../ir/shape-rules.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { Precision, Run } from "./kernel.ts";
import { kernels } from "./kernels.ts";

export type ScalarOptions = {
  /**
   * How float values are stored between nodes; sums are taken in double either way. With `float64`
   * float outputs have dtype float64 (constants keep theirs).
   */
  readonly precision?: Precision;
  /** Called with every value as it is computed, in node order. */
  readonly onValue?: (node: Node, value: Tensor) => void;
};

/**
 * The graph's outputs by id, from its inputs by id. Integer operators are exact; float operators are
 * computed in double and rounded once. Shapes follow the fed tensors: their batch may differ from
 * the declared one. A value is dropped after its last reader.
 *
 * Throws a usage error where a feed is missing or does not fit, a work error for operators that only
 * ONNX Runtime can run (`opaque`).
 */
export function runScalar(
  graph: Graph,
  feeds: ReadonlyMap<string, Tensor>,
  options: ScalarOptions = {},
): ReadonlyMap<string, Tensor> {
  const values = new Map<string, Tensor>();
  const lastReaders = lastReader(graph);
  const context = { feeds, precision: options.precision ?? "float32" };
  for (const node of graph.nodes) {
    const value = compute(node, inputsOf(node, values), context);
    values.set(node.id, value);
    options.onValue?.(node, value);
    for (const id of node.inputs) if (lastReaders.get(id) === node) values.delete(id);
  }
  return new Map(graph.outputs.map(({ id }) => [id, given(values, id)]));
}

/** The output of one node from its input tensors. */
function compute(
  node: Node,
  inputs: readonly Tensor[],
  context: Pick<Run, "feeds" | "precision">,
): Tensor {
  const type = apply(
    shapeRules,
    node,
    inputs.map(({ dtype, shape }) => ({ dtype, shape })),
  );
  const run: Run = { shape: type?.shape ?? [], dtype: type?.dtype ?? "float32", ...context };
  return apply(kernels, node, inputs, run);
}

/** Input tensors; the omitted ones of an opaque node are left out. */
function inputsOf(node: Node, values: ReadonlyMap<string, Tensor>): readonly Tensor[] {
  return node.inputs.filter((id) => id !== "").map((id) => given(values, id, node));
}

function given(values: ReadonlyMap<string, Tensor>, id: string, node?: Node): Tensor {
  const value = values.get(id);
  if (value === undefined) {
    throw workError("reads a value that no earlier node gives", {
      node: node && describe(node),
      got: `"${id}"`,
    });
  }
  return value;
}

/** The node after which a value may be dropped; none for graph outputs. */
function lastReader(graph: Graph): ReadonlyMap<string, Node> {
  const readers = new Map<string, Node>();
  for (const node of graph.nodes) for (const id of node.inputs) readers.set(id, node);
  for (const { id } of graph.outputs) readers.delete(id);
  return readers;
}
