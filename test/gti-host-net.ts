/**
 * Small host networks for the tests of GTI full models: built node by node, expressed as operations, run.
 */
import { expect } from "vitest";
import { encodeFcBin } from "../src/chips/gti/files/fc-bin.ts";
import type { FullModelLayer } from "../src/chips/gti/full-model-json.ts";
import { hostLayersOf } from "../src/chips/gti/host/host-layers.ts";
import type { JsonObject } from "../src/chips/gti/json-text.ts";
import type { Graph } from "../src/ir/graph.ts";
import { inferTypes } from "../src/ir/infer.ts";
import type { Node } from "../src/ir/ops.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { joinBytes } from "../src/tensor/chunks.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Pair, type Shape } from "../src/tensor/shape.ts";
import { float32 } from "../src/tensor/tensor.ts";
import { withFloatConstants } from "./float-constants.ts";

export type Made = {
  readonly layers: readonly FullModelLayer[];
  readonly fc: ReadonlyMap<string, Uint8Array>;
};

/** Builds graphs: each call adds a node behind the last. */
export class Net {
  readonly nodes: Node[] = [];
  last = "chip";
  readonly #random: () => number;

  constructor(shape: Shape, seed = 1) {
    this.#random = createRandom(seed).unit;
    this.nodes.push({ op: "input", id: "chip", inputs: [], attrs: { dtype: "float32", shape } });
  }

  graph(...outputs: readonly string[]): Graph {
    const ids = outputs.length === 0 ? [this.last] : outputs;
    const named = ids.map((id) => ({ name: id, id }));
    return { name: "host", nodes: this.nodes, outputs: named, opsets: {} };
  }

  shape(): Shape {
    return inferTypes(this.graph()).get(this.last)?.shape ?? [];
  }

  add(op: Node["op"], id: string, attrs: object = {}, ...inputs: readonly string[]): this {
    const all = inputs.length === 0 ? [this.last] : inputs;
    this.nodes.push({ op, id, inputs: all, attrs } as Node);
    this.last = id;
    return this;
  }

  values(id: string, shape: Shape): string {
    const data = Array.from({ length: elementCount(shape) }, () => this.#random() * 2 - 1);
    this.nodes.push({ op: "const", id, inputs: [], attrs: { tensor: float32(shape, data) } });
    return id;
  }

  scale(id: string, unit: number): this {
    return this.perChannel(id, new Array<number>(this.shape()[1] ?? 1).fill(unit));
  }

  perChannel(id: string, factors: readonly number[]): this {
    const tensor = float32([factors.length], factors);
    this.nodes.push({ op: "const", id: `${id}.f`, inputs: [], attrs: { tensor } });
    return this.add("scale", id, { axis: 1 }, this.last, `${id}.f`);
  }

  flatten(id: string): this {
    return this.add("flatten", id, { axis: 1, endAxis: -1 });
  }

  /** Flattens first where it must. */
  fc(id: string, outputs: number, bias = true): this {
    if (this.shape().length !== 2) this.flatten(`${id}.flat`);
    const weight = this.values(`${id}.w`, [outputs, this.shape()[1] ?? 1]);
    const more = bias ? [this.values(`${id}.b`, [outputs])] : [];
    return this.add("linear", id, {}, this.last, weight, ...more);
  }

  conv(id: string, outputs: number, kernel: Pair, attrs: object = {}): this {
    const weight = this.values(`${id}.w`, [outputs, this.shape()[1] ?? 1, ...kernel]);
    const plain = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
    return this.add("conv", id, { ...plain, ...attrs }, this.last, weight);
  }

  pool(
    op: "avgPool" | "maxPool",
    id: string,
    kernel: number,
    stride: number,
    attrs: object = {},
  ): this {
    const window = { kernel: [kernel, kernel], stride: [stride, stride], pads: [0, 0, 0, 0] };
    const rest = { dilation: [1, 1], ceil: false, countPad: true };
    return this.add(op, id, { ...window, ...rest, ...attrs });
  }

  relu(id: string): this {
    return this.add("relu", id, { slope: 0 });
  }

  softmax(id: string): this {
    return this.add("softmax", id, { axis: 1 });
  }
}

export function made(graph: Graph, unit = 1): Made {
  const host = hostLayersOf(graph, { unit });
  if ("why" in host) throw new Error(host.why);
  const files = [...host.fc].map(
    ([name, layers]) => [name, joinBytes(encodeFcBin(layers))] as const,
  );
  return { layers: host.layers, fc: new Map(files) };
}

export function whyOf(graph: Graph, unit = 1): string {
  const host = hostLayersOf(graph, { unit });
  return "why" in host ? host.why : "expressed";
}

export function operationsOf(graph: Graph, unit = 1): readonly string[] {
  return made(graph, unit).layers.map((layer) =>
    [layer.operation, layer["mode"], layer["activation"]]
      .filter((one) => one !== undefined)
      .join(" "),
  );
}

/** The graph's output on values 0..31 in the chip's units. */
export function run(graph: Graph, shape: Shape, seed: number): Float64Array {
  const random = createRandom(seed).unit;
  const levels = Array.from({ length: elementCount(shape) }, () => Math.floor(random() * 32));
  const input = graph.nodes.find(({ op }) => op === "input")?.id ?? "";
  const outputs = runScalar(graph, new Map([[input, float32(shape, levels)]]), {
    precision: "float64",
  });
  return Float64Array.from(outputs.get(graph.outputs[0]?.id ?? "")?.data as Float64Array);
}

/**
 * Equal to 1e-6 of `size`: what the sums would be without cancellation, since rounding a product of weight and unit to
 * float32 is relative to each term and not to their sum.
 */
export function expectClose(got: Float64Array, expected: Float64Array, size: number): void {
  expect(got.length).toBe(expected.length);
  got.forEach((value, at) => {
    expect(Math.abs(value - (expected[at] ?? 0)) / size).toBeLessThan(1e-6);
  });
}

/** The largest output of the network with absolute weights, its softmax left out; at least 1 with one. */
export function termSize(graph: Graph, shape: Shape, seed: number): number {
  const softmax = graph.nodes.find(({ op }) => op === "softmax");
  const sizes = withFloatConstants(graph, (values) => values.map(Math.abs));
  const id = softmax?.inputs[0] ?? graph.outputs[0]?.id ?? "";
  const values = run({ ...sizes, outputs: [{ name: id, id }] }, shape, seed);
  return Math.max(...values, softmax === undefined ? 1e-6 : 1);
}

/** A layer of a full model. */
export const layer = (operation: string, name: string, keys: JsonObject = {}): FullModelLayer => ({
  name,
  operation,
  ...keys,
});

/** Its size; one pixel unless given, square unless both are. */
export const size = (channels: number, height: number = 1, width: number = height): JsonObject => ({
  "output channels": channels,
  "output height": height,
  "output width": width,
});

type Fc = readonly [
  inputs: number,
  outputs: number,
  weight: readonly number[],
  bias: readonly number[],
];

export function fcFile(...parts: readonly Fc[]): Uint8Array {
  const chunks = encodeFcBin(
    parts.map(([inputs, outputs, weight, bias]) => ({
      name: "fc",
      inputs,
      outputs,
      weight: Float32Array.from(weight),
      bias: Float32Array.from(bias),
    })),
  );
  return joinBytes(chunks);
}
