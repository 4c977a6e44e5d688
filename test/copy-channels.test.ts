/** Copied channels keep the float function; their copies round to finer levels together, and stay within the chip's room. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyPhases } from "../src/chips/gti/program/phases.ts";
import { gti2803 } from "../src/chips/gti/targets.ts";
import { constantOf, type Graph, nodeMap, nodesOf } from "../src/ir/graph.ts";
import { verify } from "../src/ir/verify.ts";
import { violationsOf } from "../src/job/check-findings.ts";
import { chooseMapping } from "../src/job/chip-choices.ts";
import { chooseCopies, phasesOf } from "../src/job/chip-copies.ts";
import type { ChipOptions } from "../src/job/options.ts";
import { type ChannelCopies, copyChannels, copyGroups } from "../src/passes/copy-channels.ts";
import { canonicalize } from "../src/passes/pipeline.ts";
import { mobilenetNet, NetBuilder, resnet18Net } from "./gti-nets.ts";
import { expectOutputsOf, outputsOf } from "./outputs-of.ts";
import { randomNet } from "./random-net.ts";

function outputChannels(graph: Graph, conv: string): number {
  const nodes = nodeMap(graph);
  return constantOf(nodes.get(nodes.get(conv)?.inputs[1] ?? ""))?.shape[0] ?? 0;
}

/** Every group in so many copies, taken from the list again and again. */
function copiesOf(graph: Graph, counts: readonly number[]): ChannelCopies {
  return new Map(
    copyGroups(graph).flatMap((group, at) =>
      group.map((id): [string, number] => [id, counts[at % counts.length] ?? 1]),
    ),
  );
}

type ChipStep = (net: NetBuilder) => string;
const pools: readonly ChipStep[] = [(net) => net.pool("max"), (net) => net.pool("mean")];
const chipSteps: readonly ChipStep[] = [
  (net) => net.conv(4, { activation: "clip" }),
  (net) => net.conv(6, { kernel: 1, activation: "leaky" }),
  (net) => net.conv(8, { groups: 2 }),
  (net) => net.depthwise({ activation: "clip" }),
  ...pools,
  (net) => net.block(4, { project: true }),
  (net) => net.upsample("repeat"),
];

describe("copyChannels", () => {
  const counts = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 });
  const expectSame = (net: Graph, copies: ChannelCopies): void => {
    const wide = verify(copyChannels(net, copies), "canonical");
    for (const [conv, count] of copies) {
      expect(outputChannels(wide, conv)).toBe(count * outputChannels(net, conv));
    }
    expectOutputsOf(net, outputsOf(wide));
  };

  it("keeps the float function of chains of what a chip computes", () => {
    const steps = fc.array(fc.constantFrom(...chipSteps), { minLength: 1, maxLength: 7 });
    fc.assert(
      fc.property(steps, fc.nat({ max: 1000 }), counts, (chosen, seed, times) => {
        const net = new NetBuilder(12, 3, seed);
        net.conv(4);
        net.conv(4);
        // The picture has two halvings in it.
        let halvings = 0;
        for (const step of chosen) {
          if (pools.includes(step)) halvings += 1;
          if (!pools.includes(step) || halvings <= 2) step(net);
        }
        net.conv(4, { kernel: 1 });
        const graph = canonicalize(net.graph());
        const copies = copiesOf(graph, times);
        expect(copies.has("conv1")).toBe(true);
        expectSame(graph, copies);
      }),
      { numRuns: 100 },
    );
  });

  it("leaves alone what it does not know, in random networks", () => {
    const choices = fc.array(fc.nat({ max: 1000 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(choices, fc.nat({ max: 1_000_000 }), counts, (chosen, seed, times) => {
        const graph = canonicalize(randomNet(chosen, seed));
        expectSame(graph, copiesOf(graph, times));
      }),
      { numRuns: 200 },
    );
  });

  it("keeps it through shortcuts, projections, depthwise layers and pooling", () => {
    const net = new NetBuilder(16, 3, 5);
    net.conv(4, { activation: "clip" });
    net.pool("sample");
    net.depthwise({ activation: "clip" });
    net.conv(6, { kernel: 1 });
    net.block(6);
    net.block(8, { project: true });
    net.pool("max");
    net.conv(8);
    net.classifier(3);
    const graph = canonicalize(net.graph());
    const groups = copyGroups(graph);
    // conv10 is read by the classifier. A shortcut ties conv4, conv6; a projection both of its ends.
    expect(groups).toEqual([
      ["conv1", "conv3"],
      ["conv4", "conv6"],
      ["conv5"],
      ["conv8"],
      ["conv9", "conv10"],
    ]);
    const wide = copyChannels(graph, copiesOf(graph, [2, 3, 4]));
    expectOutputsOf(graph, outputsOf(wide));
  });

  it("copies no convolution by groups of a constant", () => {
    const graph = canonicalize(randomNet([741, 999, 0, 0], 244_780));
    const grouped = nodesOf(graph, "conv").find(({ attrs }) => attrs.groups > 1);
    const read = nodeMap(graph).get(grouped?.inputs[0] ?? "");
    expect(read?.op).toBe("const");
    expect(copyGroups(graph)).toEqual([]);
  });

  it("gives the same graph without copies", () => {
    const graph = canonicalize(new NetBuilder(8, 3, 1).graph());
    expect(copyChannels(graph, new Map())).toBe(graph);
    expect(copyChannels(graph, new Map([["conv1", 1]]))).toBe(graph);
  });
});

describe("copyPhases", () => {
  it("lets copies round together as one activation of finer levels", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -2, max: 40, noNaN: true }),
        fc.constantFrom(1, 2, 4, 8),
        (x, copies) => {
          const levels = [...copyPhases(copies, copies)].map((phase) =>
            Math.min(31, Math.max(0, Math.floor(x + phase + 0.5))),
          );
          const sum = levels.reduce((a, b) => a + b, 0);
          const fine = Math.floor(copies * x + 0.5);
          expect(sum).toBe(Math.min(31 * copies, Math.max(0, fine)));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it("adds nothing on the whole", () => {
    const phases = copyPhases(12, 4);
    expect([...phases.slice(0, 3), ...phases.slice(9)]).toEqual([
      ...[-0.375, -0.375, -0.375],
      ...[0.375, 0.375, 0.375],
    ]);
    expect(phases.reduce((a, b) => a + b, 0)).toBe(0);
  });
});

describe("chooseCopies", () => {
  const asked: ChipOptions = { bits: 12, waive: [] };
  const check = (graph: Graph, most: number): ChannelCopies => {
    const copies = chooseCopies(graph, gti2803, asked, most);
    const wide = copyChannels(graph, copies);
    const { mapping } = chooseMapping(wide, gti2803, asked, undefined, () => undefined);
    const rules = { waive: new Set<never>(), chips: 1 };
    expect(violationsOf(mapping, mapping.layout, gti2803, rules)).toEqual([]);
    for (const [conv, phases] of phasesOf(wide, copies)) {
      expect(phases).toHaveLength(outputChannels(wide, conv));
    }
    return copies;
  };

  it("fills the room of MobileNet from the front, and stays within the chip", () => {
    const copies = check(canonicalize(mobilenetNet(224).graph()), 4);
    expect([...copies.values()]).toEqual([4, 4, 2, 2, 4, 4, 4, 4, 2, 2, 2, 2]);
    // With fewer bits more would fit; a list of bits may count what copies part. Neither changes the choice.
    const graph = canonicalize(mobilenetNet(224).graph());
    expect(chooseCopies(graph, gti2803, { bits: [12, 12, 12, 12, 12, 12], waive: [] }, 4)).toEqual(
      copies,
    );
    expect(chooseCopies(graph, gti2803, { waive: [] }, 4)).toEqual(copies);
  });

  it("takes fewer where fewer are asked for", () => {
    const copies = check(canonicalize(mobilenetNet(224).graph()), 2);
    expect(new Set(copies.values())).toEqual(new Set([2]));
    expect(chooseCopies(canonicalize(mobilenetNet(224).graph()), gti2803, asked, 1).size).toBe(0);
  });

  it("gives the ends of a shortcut the same number", () => {
    const net = new NetBuilder(28, 3);
    net.conv(16);
    net.block(16);
    net.pool("max");
    net.conv(32);
    net.block(32);
    net.conv(32);
    net.classifier(10);
    const graph = canonicalize(net.graph());
    const copies = check(graph, 4);
    for (const group of copyGroups(graph)) {
      expect(group.map((id) => copies.get(id))).toEqual(group.map(() => 4));
    }
    expect(copyGroups(graph).some((group) => group.length > 1)).toBe(true);
  });

  it("copies nothing where the weights do not fit as they are, waived or not", () => {
    const graph = canonicalize(resnet18Net().graph());
    expect(chooseCopies(graph, gti2803, asked, 2).size).toBe(0);
    expect(chooseCopies(graph, gti2803, { ...asked, waive: ["weight-memory"] }, 2).size).toBe(0);
  });

  it("refuses other numbers, weights of few bits, and networks without major layers", () => {
    const graph = canonicalize(mobilenetNet(224).graph());
    expect(() => chooseCopies(graph, gti2803, asked, 3)).toThrow(
      /power of two: expected 1, 2, 4, 8, got 3/,
    );
    const few: ChipOptions = { bits: 5, waive: [] };
    expect(() => chooseCopies(graph, gti2803, few, 2)).toThrow(/8 or 12 bits in all layers: got 5/);
    const odd = new NetBuilder(28);
    odd.conv(16, { kernel: 5 });
    odd.conv(16);
    odd.classifier(10);
    const waived: ChipOptions = { bits: 12, waive: ["kernel", "image-size"] };
    expect(() => chooseCopies(canonicalize(odd.graph()), gti2803, waived, 2)).toThrow(/can hold/);
  });
});
