/** Every canonical pass keeps the float function, on random networks and one after the other. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Graph, nodesOf } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { canonicalize, canonicalPasses } from "../src/passes/pipeline.ts";
import { expectOutputsOf, outputsOf } from "./outputs-of.ts";
import { randomNet } from "./random-net.ts";

const nets = fc
  .record({
    choices: fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 12 }),
    seed: fc.nat({ max: 1_000_000 }),
  })
  .map(({ choices, seed }) => randomNet(choices, seed));

function expectSameFunction(before: Graph, after: Graph): void {
  verify(after, "imported");
  expectOutputsOf(before, outputsOf(after));
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
