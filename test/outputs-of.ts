/** What a network computes from seeded inputs between -1 and 1, in float64: for passes that keep its function. */
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";

export type Values = ReadonlyMap<string, Tensor>;

/** A value for every input, by id. */
export function feedsOf(graph: Graph): Values {
  return new Map(
    nodesOf(graph, "input").map(({ id, attrs: { shape } }) => {
      const random = createRandom(7);
      const data = Array.from({ length: elementCount(shape) }, () => random.unit() * 2 - 1);
      return [id, float32(shape, data)];
    }),
  );
}

/** Outputs by name. */
export function outputsOf(graph: Graph): Values {
  const values = runScalar(graph, feedsOf(graph), { precision: "float64" });
  return new Map(graph.outputs.map(({ name, id }) => [name, values.get(id)!]));
}
