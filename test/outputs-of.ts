/** What a network computes from seeded inputs between -1 and 1, in float64: for passes that keep its function. */
import { expect } from "vitest";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { withFloatConstants } from "./float-constants.ts";
import { expectClose } from "./within.ts";

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

/** Weights are rounded to float32 once per fold; a network of a dozen steps magnifies that. */
const tolerance = 1e-5;

/** Fails unless `found` are the network's outputs, but for the rounding of its weights. */
export function expectOutputsOf(graph: Graph, found: Values): void {
  const expected = outputsOf(graph);
  expect([...found.keys()].toSorted()).toEqual([...expected.keys()].toSorted());
  for (const [name, value] of expected) {
    expectClose(found.get(name), value, tolerance, () => conditionOf(graph, name));
  }
}

/** Of the weights; a rounding of float32 is 2^-24. */
const smallMove = 2 ** -20;

/**
 * What an output moves by when all weights move a little, in units of that move: large where large terms cancel, and
 * roundings of the weights are magnified as much.
 */
function conditionOf(graph: Graph, name: string): number {
  const still = toNumbers(outputsOf(graph).get(name)!);
  const draws = [1, 2, 3].map((seed) => {
    const random = createRandom(seed);
    const moved = withFloatConstants(graph, (weights) =>
      weights.map((w) => w * (1 + (random.unit() < 0.5 ? -1 : 1) * smallMove)),
    );
    const values = toNumbers(outputsOf(moved).get(name)!);
    return values.reduce((most, x, at) => Math.max(most, Math.abs(x - (still[at] ?? 0))), 0);
  });
  return Math.max(...draws) / smallMove;
}
