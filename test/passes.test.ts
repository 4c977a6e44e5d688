/** Every canonical pass keeps the float function, on random networks and one after the other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { canonicalize, canonicalPasses } from "../src/passes/pipeline.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount } from "../src/tensor/shape.ts";
import { float32, type Tensor } from "../src/tensor/tensor.ts";
import { randomNet } from "./random-net.ts";
import { expectClose } from "./within.ts";

/** Weights are rounded to float32 once per fold; a network of a dozen steps magnifies that. */
const tolerance = 1e-5;

const nets = fc
  .record({
    choices: fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 12 }),
    seed: fc.nat({ max: 1_000_000 }),
  })
  .map(({ choices, seed }) => randomNet(choices, seed));

function outputsOf(graph: Graph): ReadonlyMap<string, Tensor> {
  const [input] = nodesOf(graph, "input");
  const shape = input!.attrs.shape;
  const random = createRandom(7);
  const x = float32(
    shape,
    Array.from({ length: elementCount(shape) }, () => random.unit() * 2 - 1),
  );
  const values = runScalar(graph, new Map([["x", x]]), { precision: "float64" });
  return new Map(graph.outputs.map(({ name, id }) => [name, values.get(id)!]));
}

function expectSameFunction(before: Graph, after: Graph): void {
  verify(after, "imported");
  const [expected, found] = [outputsOf(before), outputsOf(after)];
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, value] of expected) expectClose(found.get(name), value, tolerance);
}

describe.each(canonicalPasses)("$name", ({ run }) => {
  it("keeps the float function", () => {
    fc.assert(
      fc.property(nets, (net) => expectSameFunction(net, run(net))),
      { numRuns: 300 },
    );
  });
});

describe("canonicalize", () => {
  it("keeps the float function, and leaves nothing to do", () => {
    fc.assert(
      fc.property(nets, (net) => {
        const after = verify(canonicalize(net), "canonical");
        expectSameFunction(net, after);
        expect(nodesOf(after, "batchNorm")).toEqual([]);
        expect(canonicalize(after)).toBe(after);
      }),
      { numRuns: 500 },
    );
  });

  it("meets every pass on the networks drawn", () => {
    const met = new Set<string>();
    for (const net of fc.sample(nets, { numRuns: 300, seed: 1 })) {
      canonicalize(net, { onPass: (name) => met.add(name) });
    }
    expect([...met].toSorted()).toEqual(canonicalPasses.map(({ name }) => name).toSorted());
  });
});
