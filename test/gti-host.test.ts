/** Host operations of GTI full models on the engine: as the interpreter computes them. */
import { expect, it } from "vitest";
import { hostGraphOf } from "../src/chips/gti/host/host-graph.ts";
import { nodeRuntime } from "../src/engine/runtime.node.ts";
import type { Graph } from "../src/ir/graph.ts";
import { runScalar } from "../src/run/scalar/run-scalar.ts";
import { openSession } from "../src/run/session.ts";
import { createRandom } from "../src/tensor/random.ts";
import { elementCount, type Shape } from "../src/tensor/shape.ts";
import { float32, type Tensor, toNumbers } from "../src/tensor/tensor.ts";
import { fcFile, layer, size } from "./gti-host-net.ts";

/** The output on the engine and in the interpreter. */
async function onBoth(graph: Graph, input: Tensor): Promise<readonly (readonly number[])[]> {
  const feeds = new Map([[graph.nodes[0]?.id ?? "", input]]);
  const session = await openSession(graph, await nodeRuntime());
  const results = [await session.run(feeds), runScalar(graph, feeds)];
  await session.release();
  const id = graph.outputs[0]?.id ?? "";
  // A zero has no sign here.
  return results.map((values) =>
    toNumbers(values.get(id) ?? float32([0], [])).map((one) => one + 0),
  );
}

function levels(shape: Shape, low: number, high: number): Tensor {
  const random = createRandom(7);
  const values = Array.from({ length: elementCount(shape) }, () => low + random.below(high - low));
  return float32(shape, values);
}

it.each([0, 1, 3, 9, 20])("a shift by %i bits is exact", async (shift) => {
  const types = { "input type": "integer", "output type": "integer", Shift: shift };
  const shape = [2, 5000];
  const graph = hostGraphOf([layer("TYPECONVERT", "t", types)], new Map(), { shape });
  const input = levels(shape, -(2 ** 22) + 1, 2 ** 22);
  const [engine, scalar] = await onBoth(graph, input);
  expect(engine).toEqual(toNumbers(input).map((value) => Math.floor(value / 2 ** shift) + 0));
  expect(scalar).toEqual(engine);
});

it.each(["average", "max", "sample", "center"])("a host part with %s pooling", async (mode) => {
  const layers = [
    layer("GTICNN", "cnn", { mode: 0, "output scaledown": 4 }),
    layer("POOLING", "p", { mode, ...size(3, 2) }),
    layer("ELTWISE", "e", { mode: "product", "reference layer": "p" }),
    layer("FC", "fc", { "data file": "f", activation: "relu" }),
    layer("POOLING", "map", { mode: "max", ...size(2) }),
    layer("TYPECONVERT", "t", { "input type": "float", "output type": "char", Shift: 1 }),
    layer("SOFTMAX", "s", size(2)),
    layer("LABEL", "l", size(1)),
  ];
  const weights = Array.from({ length: 24 }, (_, at) => ((at % 7) - 2) / 16);
  const files = new Map([["f", fcFile([12, 2, weights, [0.5, -1]])]]);
  const shape = [2, 3, 6, 6];
  const [engine = [], scalar = []] = await onBoth(
    hostGraphOf(layers, files, { shape }),
    levels(shape, 0, 32),
  );
  expect(engine.length).toBe(4);
  engine.forEach((value, at) => {
    expect(value).toBeCloseTo(scalar[at] ?? Number.NaN, 6);
  });
});
