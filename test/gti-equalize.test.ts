/** Channel equalization keeps the float function and respects the range of levels. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mapToChip } from "../src/chips/gti/map/map-to-chip.ts";
import {
  type ChannelPeaks,
  type EqualizeOptions,
  equalize,
} from "../src/chips/gti/program/equalize.ts";
import { gti2803 } from "../src/chips/gti/targets.ts";
import type { Graph } from "../src/ir/graph.ts";
import type { Node } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { createRandom } from "../src/tensor/random.ts";
import { float32, toNumbers } from "../src/tensor/tensor.ts";

/** conv 3x3 -> activation -> depthwise 3x3 -> activation -> conv 1x1 -> activation, channels of very different size. */
function network(seed: number, bounded: boolean): Graph {
  const random = createRandom(seed);
  const nodes: Node[] = [
    { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape: [1, 3, 14, 14] } },
  ];
  const constant = (id: string, shape: readonly number[]): string => {
    const rows = shape[0] ?? 1;
    const count = shape.reduce((a, b) => a * b, 1);
    const data = Float32Array.from({ length: count }, (_, at) => {
      const row = Math.floor((at * rows) / count);
      return random.normal() * 2 ** ((row % 5) - 5);
    });
    nodes.push({ op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } });
    return id;
  };
  const conv = (id: string, from: string, shape: readonly number[], groups: number): string => {
    const pad = ((shape[2] ?? 1) - 1) / 2;
    const inputs = [from, constant(`${id}.w`, shape), constant(`${id}.b`, [shape[0] ?? 1])];
    const attrs = {
      stride: [1, 1],
      pads: [pad, pad, pad, pad],
      dilation: [1, 1],
      groups,
    } as const;
    nodes.push({ op: "conv", id, inputs, attrs });
    const act = `${id}.act`;
    nodes.push(
      bounded
        ? { op: "clip", id: act, inputs: [id], attrs: { min: 0, max: 6 } }
        : { op: "relu", id: act, inputs: [id], attrs: { slope: 0 } },
    );
    return act;
  };
  const first = conv("first", "x", [16, 3, 3, 3], 1);
  const deep = conv("deep", first, [16, 1, 3, 3], 16);
  const last = conv("last", deep, [16, 16, 1, 1], 1);
  return { name: "small", nodes, outputs: [{ name: "y", id: last }], opsets: {} };
}

/** Peaks as if they had been seen: half of the bound and less. */
function peaksOf(ids: readonly string[], seed: number): ReadonlyMap<string, ChannelPeaks> {
  const random = createRandom(seed, 1);
  return new Map(
    ids.map((id) => {
      const usual = Float64Array.from({ length: 16 }, () => 0.1 + 2.9 * random.unit());
      return [id, { usual, most: usual.map((peak) => peak * 1.1) }];
    }),
  );
}

/** Output of the network, in double. */
function run(graph: Graph, input: Float32Array): readonly number[] {
  const feeds = new Map([["x", float32([1, 3, 14, 14], input)]]);
  const value = runScalar(graph, feeds, { precision: "float64" }).get(graph.outputs[0]?.id ?? "");
  return value === undefined ? [] : toNumbers(value);
}

/** Factors that the range allows; a channel is never scaled beyond it. */
function checkFactors(factors: Float64Array, usual: Float64Array, bound: number): void {
  const range = Math.min(bound, Math.max(...usual));
  for (const [channel, factor] of factors.entries()) {
    expect(factor).toBeLessThanOrEqual(8);
    expect((usual[channel] ?? 0) * factor).toBeLessThanOrEqual(range * (1 + 1e-9));
  }
}

/** Smaller than what some channels reach. */
const cap = 2;

function checkRule(
  rule: EqualizeOptions["rule"],
  factors: Float64Array,
  usual: Float64Array,
  bound: number,
): void {
  if (rule === "caps") checkEnds(factors, usual);
  else checkFactors(factors, usual, bound);
  if (rule === "levels") expect(Math.min(...factors)).toBeGreaterThanOrEqual(1);
}

function optionsFor(rule: EqualizeOptions["rule"], ids: readonly string[]): EqualizeOptions {
  const options = { rule, most: 8 };
  return rule === "caps" ? { ...options, caps: new Map(ids.map((id) => [id, cap])) } : options;
}

/** Every channel ends at the cap, but for those too small to get there. */
function checkEnds(factors: Float64Array, usual: Float64Array): void {
  for (const [channel, factor] of factors.entries()) {
    const end = factor * (usual[channel] ?? 0);
    if (factor === 8) expect(end).toBeLessThanOrEqual(cap);
    else expect(end).toBeCloseTo(cap, 9);
  }
}

describe("equalize", () => {
  const drawn = fc.record({
    seed: fc.integer(),
    bounded: fc.boolean(),
    rule: fc.constantFrom("levels", "balance", "caps"),
  });

  it("keeps the float function, and brings small channels up to the range", () => {
    fc.assert(
      fc.property(drawn, ({ seed, bounded, rule }) => {
        const graph = network(seed, bounded);
        const options = { coefficientBits: 12, waive: new Set<never>() } as const;
        const mapping = mapToChip(graph, gti2803, options);
        expect(mapping.chip.convolutions).toHaveLength(3);
        const ids = mapping.chip.convolutions.map(({ activation }) => activation);
        const peaks = peaksOf(ids, seed);
        const equal = equalize(mapping, peaks, optionsFor(rule, ids));
        const random = createRandom(seed, 2);
        const input = Float32Array.from({ length: 3 * 196 }, () => random.normal());
        const [before, after] = [run(mapping.graph, input), run(equal.graph, input)];
        const largest = Math.max(...before.map(Math.abs));
        const worst = Math.max(...after.map((value, at) => Math.abs(value - (before[at] ?? 0))));
        expect(worst).toBeLessThanOrEqual(1e-5 * largest);
        // What leaves the chip is read by the host and keeps its size.
        expect([...equal.factors.keys()]).toEqual(ids.slice(0, 2));
        for (const [id, factors] of equal.factors) {
          const usual = peaks.get(id)?.usual ?? new Float64Array();
          checkRule(rule, factors, usual, bounded ? 6 : Infinity);
        }
      }),
      { numRuns: 20 },
    );
  });

  it("takes the weights of a channel away that is always 0", () => {
    const graph = network(5, false);
    const mapping = mapToChip(graph, gti2803, { coefficientBits: 12, waive: new Set() });
    const [first = ""] = mapping.chip.convolutions.map(({ activation }) => activation);
    const peaks = new Map(peaksOf([first], 1));
    const silent = (values: Float64Array): Float64Array => values.with(3, 0);
    for (const [id, { usual, most }] of peaks) {
      peaks.set(id, { usual: silent(usual), most: silent(most) });
    }
    const equal = equalize(mapping, peaks, { rule: "balance", most: 1000 });
    const deep = equal.graph.nodes.find(({ id }) => id === "deep");
    const weight = equal.graph.nodes.find(({ id }) => id === deep?.inputs[1]);
    const data = weight?.op === "const" ? Array.from(weight.attrs.tensor.data, Number) : [];
    expect(data.slice(27, 36).every((value) => value === 0)).toBe(true);
    expect(data.slice(0, 9).every((value) => value !== 0)).toBe(true);
  });
});
