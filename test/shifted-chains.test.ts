/**
 * Random chains of layers that shift, with pooling, upsampling and shortcuts: every value of the fast simulation is the
 * scalar definition's. And the operators at a chip's border as ONNX, integers typed as integers.
 */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Node } from "../src/ir/ops.ts";
import { printGraph } from "../src/ir/print.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { simulationOfIntegers } from "../src/run/simulate.ts";
import { float32, type Tensor, tensor, toNumbers } from "../src/tensor/tensor.ts";
import {
  constant,
  type Draw,
  drawing,
  firstDifference,
  nothing,
  samplePool,
  styledWeights,
} from "./shifted-cases.ts";
import { type SmallGraph, smallGraph } from "./small-graph.ts";

const chainsTried = 60;

/** A chain that grows: what its last value is, and all nodes so far. */
class Chain {
  readonly nodes: Node[] = [];
  readonly #draw: Draw;
  readonly #bits: 5 | 10;
  #value: { readonly id: string; readonly channels: number; readonly size: number };
  #count = 0;

  constructor(draw: Draw) {
    this.#draw = draw;
    this.#bits = draw(0, 2) === 0 ? 10 : 5;
    const shape = [2, 3, 12, 12];
    this.#value = { id: "levels", channels: 3, size: 12 };
    this.nodes.push(
      { op: "input", id: "x", inputs: [], attrs: { dtype: "float32", shape } },
      { op: "reduceBits", id: "levels", inputs: ["x"], attrs: { from: 10, to: this.#bits } },
    );
  }

  get last(): string {
    return this.#value.id;
  }

  /** A 1x1 convolution: whatever came before, integers of a layer stand at the end. */
  end(): void {
    this.#convolve(8, { pointwise: true });
  }

  grow(): void {
    const { channels, size } = this.#value;
    switch (this.#draw(0, 9)) {
      case 0:
        if (size >= 4) this.#move("maxPool", { ...samplePool([2, 2]), kernel: [2, 2] }, size / 2);
        break;
      case 1:
        if (size >= 4) this.#move("maxPool", samplePool([2, 2]), size / 2);
        break;
      case 2: {
        const attrs = { mode: "nearest", alignCorners: false, factor: [2, 2] } as const;
        if (size <= 12) this.#move("resize", attrs, size * 2);
        break;
      }
      case 3:
        if (size <= 12) this.#move("zeroInsert", { factor: [2, 2] }, size * 2);
        break;
      case 4:
        this.#convolve(channels, { identity: this.#value.id });
        break;
      case 5: {
        const input = this.#value;
        this.#convolve(channels, {});
        this.#convolve(channels, { identity: input.id });
        break;
      }
      case 6: {
        const input = this.#value;
        this.#convolve(8, { pointwise: true, sums: true });
        const identity = this.#value.id;
        this.#value = input;
        this.#convolve(8, { identity });
        if (size >= 4) this.#move("maxPool", samplePool([2, 2]), size / 2);
        break;
      }
      case 7:
        this.#convolve(channels, { depthwise: true });
        break;
      default:
        this.#convolve(this.#draw(1, 3) * 8, { pointwise: this.#draw(0, 1) === 0 });
    }
  }

  #fresh(base: string): string {
    this.#count += 1;
    return `${base}${this.#count}`;
  }

  #move(op: "maxPool" | "resize" | "zeroInsert", attrs: object, size: number): void {
    const id = this.#fresh(op);
    this.nodes.push({ op, id, inputs: [this.#value.id], attrs } as unknown as Node);
    this.#value = { ...this.#value, id, size: Math.ceil(size) };
  }

  #convolve(
    outputs: number,
    kind: { pointwise?: boolean; depthwise?: boolean; identity?: string; sums?: boolean },
  ): void {
    const draw = this.#draw;
    const id = this.#fresh("conv");
    const { channels } = this.#value;
    const groups = kind.depthwise === true ? channels : 1;
    const kernel = kind.pointwise === true ? 1 : 3;
    const pad = kernel === 3 ? 1 : 0;
    const shape = [outputs, channels / groups, kernel, kernel];
    const style = ([1, 2, 3, 5, 8, 12] as const)[draw(0, 5)] ?? 12;
    // Sums that are given as they are must be float32 numbers.
    const divisor = kind.sums === true ? 8 : 1;
    const weights = styledWeights(shape, style, draw).map(
      (weight) => (weight * (draw(0, 1) * 2 - 1)) / divisor,
    );
    const most = weights.reduce((top, weight) => Math.max(top, Math.abs(weight)), 1);
    const spread = most * 2 ** this.#bits * Math.sqrt((channels / groups) * kernel * kernel);
    const shift = Math.max(0, Math.min(15, Math.round(Math.log2(spread)) - this.#bits));
    const bias = Int32Array.from({ length: outputs }, () => draw(-most, 20 * most));
    this.nodes.push(
      constant(`${id}.weight`, tensor("int16", shape, weights)),
      constant(`${id}.bias`, tensor("int32", [outputs], bias)),
      {
        op: "shiftConv",
        id,
        inputs: [
          this.#value.id,
          `${id}.weight`,
          `${id}.bias`,
          ...(kind.identity === undefined ? [] : [kind.identity]),
        ],
        attrs: {
          ...{ stride: [1, 1], pads: [pad, pad, pad, pad], dilation: [1, 1], groups },
          shift,
          identityShift: this.nodes.some((node) => node.id === kind.identity && isSums(node))
            ? draw(0, 2)
            : shift,
          output:
            kind.sums === true
              ? { kind: "accumulator" }
              : { kind: "levels", qMin: 0, qMax: 2 ** this.#bits - 1 },
        },
      },
    );
    this.#value = { ...this.#value, id, channels: outputs };
  }
}

function isSums(node: Node): boolean {
  return node.op === "shiftConv" && node.attrs.output.kind === "accumulator";
}

function makeChain(seed: number): SmallGraph {
  const draw = drawing(seed);
  const chain = new Chain(draw);
  for (let step = draw(3, 9); step > 0; step -= 1) chain.grow();
  chain.end();
  const nodes: readonly Node[] = [
    ...chain.nodes,
    constant("scale", float32([], [0.3])),
    constant("zero", tensor("uint8", [], new Uint8Array(1))),
    { op: "dequantize", id: "real", inputs: [chain.last, "scale", "zero"], attrs: { axis: 1 } },
  ];
  const x = float32(
    [2, 3, 12, 12],
    Array.from({ length: 2 * 3 * 144 }, () => draw(0, 1023)),
  );
  const graph = { name: "chain", nodes, outputs: [{ name: "real", id: "real" }], opsets: {} };
  return { graph, feeds: new Map([["x", x]]) };
}

test(`every value of ${chainsTried} random chains is the same`, async () => {
  const runtime = await nodeRuntime({ threads: 1 });
  const seen = { compared: 0, folded: 0, between: 0 };
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (seed) => {
      const { graph, feeds } = makeChain(seed);
      const { integer, lowered, zeros } = simulationOfIntegers(graph);
      const wanted = new Map<string, Tensor>();
      runScalar(integer, feeds, { onValue: (node, value) => wanted.set(node.id, value) });
      const taps = lowered.nodes
        .filter(({ id, op }) => op !== "const" && op !== "input" && wanted.has(id))
        .map(({ id }) => id);
      const session = await openSession(lowered, runtime, { batch: 2, taps });
      const got = await session.run(feeds);
      await session.release();
      for (const [id, value] of got) {
        const other = wanted.get(id) ?? nothing;
        const wrong = firstDifference(other, value, zeros.get(id) ?? 0);
        expect(wrong, `${id} in ${printGraph(graph)}`).toBe(-1);
        seen.compared += 1;
        if (toNumbers(other).some((q) => q > 0 && q < 31)) seen.between += 1;
      }
      const shifting = graph.nodes.filter((node) => node.op === "shiftConv");
      const known = new Set(lowered.nodes.map(({ id }) => id));
      seen.folded += shifting.filter(({ id }) => !known.has(id)).length;
    }),
    { numRuns: chainsTried, seed: 5 },
  );
  expect(seen.compared).toBeGreaterThan(chainsTried * 4);
  expect(seen.between).toBeGreaterThan(seen.compared / 2);
  expect(seen.folded).toBeGreaterThan(5);
}, 120_000);

describe("at the border of a chip, ONNX gives the definition's values and types", () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, at) => at);
  const picture = tensor("uint8", [1, 4, 8, 8], bytes);
  // Right below and at the thresholds too, where `x / 8 + 0.5` alone would round up.
  const reals = Float32Array.from({ length: 256 }, (_, at) =>
    at % 3 === 0 ? Math.fround(at * (1 - 2 ** -24)) : at + (at % 5) / 7,
  );
  const floats = float32([1, 4, 8, 8], reals);
  const wide = tensor(
    "uint16",
    [1, 4, 8, 8],
    Uint16Array.from(bytes, (q) => q * 4 + 3),
  );

  it.each<[string, SmallGraph]>([
    ["bytes to 5 bits", smallGraph("reduceBits", { from: 8, to: 5 }, [picture])],
    ["floats to 5 bits", smallGraph("reduceBits", { from: 8, to: 5 }, [floats])],
    ["words to 5 bits", smallGraph("reduceBits", { from: 10, to: 5 }, [wide])],
    ["to more bits", smallGraph("reduceBits", { from: 5, to: 7 }, [floats])],
    ["levels of 5 bits", smallGraph("toLevels", { step: 0.3, qMax: 31 }, [floats])],
    ["levels of 10 bits", smallGraph("toLevels", { step: 0.07, qMax: 1023 }, [floats])],
    ["zeros between floats", smallGraph("zeroInsert", { factor: [2, 2] }, [floats])],
    ["zeros between bytes", smallGraph("zeroInsert", { factor: [3, 1] }, [picture])],
  ])("%s", async (_name, { graph, feeds }) => {
    const wanted = runScalar(graph, feeds).get("y") ?? nothing;
    const session = await openSession(graph, await nodeRuntime({ threads: 1 }), { batch: 1 });
    const got = (await session.run(feeds)).get("y") ?? nothing;
    await session.release();
    expect(got.dtype).toBe(wanted.dtype);
    expect(got.shape).toEqual(wanted.shape);
    expect(firstDifference(wanted, got, 0)).toBe(-1);
  });
});
