import { describe, expect, it } from "vitest";
import { gti2803 } from "../chips/gti/targets.ts";
import { verify } from "../ir/verify.ts";
import { canonicalize } from "../passes/pipeline.ts";
import { violationsOf } from "./check-findings.ts";
import { chooseMapping } from "./chip-choices.ts";
import { demoNetwork } from "./demo-network.ts";

describe("demoNetwork", () => {
  it("fits the chip as it is, all convolutions on it", () => {
    const graph = verify(canonicalize(demoNetwork(10)), "canonical");
    const { mapping } = chooseMapping(graph, gti2803, { bits: 2, waive: [] }, undefined, () => {});
    const rules = { waive: new Set<never>(), chips: 1 };
    expect(violationsOf(mapping, mapping.layout, gti2803, rules)).toEqual([]);
    const convolutions = graph.nodes.filter(({ op }) => op === "conv");
    expect(mapping.chip.convolutions.map(({ conv }) => conv)).toEqual(
      convolutions.map(({ id }) => id),
    );
  });
});
