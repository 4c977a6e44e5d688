/**
 * Graphs of one operator for tests: inputs, constants, the node, one output `y`.
 */
import type { Graph } from "../src/ir/graph.ts";
import type { Node, Op, Ops } from "../src/ir/ops.ts";
import type { Tensor } from "../src/tensor/tensor.ts";

export type SmallGraph = {
  readonly graph: Graph;
  readonly feeds: ReadonlyMap<string, Tensor>;
};

/** The operator over fed tensors `x0, x1, ...` followed by constants `c0, c1, ...`. */
export function smallGraph<K extends Op>(
  op: K,
  attrs: Ops[K],
  fed: readonly Tensor[],
  constants: readonly Tensor[] = [],
): SmallGraph {
  const inputs = fed.map(
    ({ dtype, shape }, at): Node => ({
      op: "input",
      id: `x${at}`,
      inputs: [],
      attrs: { dtype, shape },
    }),
  );
  const values = constants.map(
    (value, at): Node => ({ op: "const", id: `c${at}`, inputs: [], attrs: { tensor: value } }),
  );
  const operands = [...inputs, ...values];
  // The pair of operator and attributes is what the table says; the compiler cannot follow a generic.
  const node = { op, id: "y", inputs: operands.map(({ id }) => id), attrs } as unknown as Node;
  return {
    graph: {
      name: op,
      nodes: [...operands, node],
      outputs: [{ name: "y", id: "y" }],
      opsets: {},
    },
    feeds: new Map(fed.map((value, at) => [`x${at}`, value])),
  };
}
