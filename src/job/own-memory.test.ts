import { expect, it } from "vitest";
import type { Graph } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import { float32, type Tensor } from "../tensor/tensor.ts";
import { apartFrom } from "./own-memory.ts";

/** A graph of constants: views of `file` from an element on, and one that is none. */
function graphOf(file: ArrayBuffer, views: readonly (readonly [from: number, count: number])[]) {
  const tensors = views.map(([from, count]) =>
    float32([count], new Float32Array(file, 4 * from, count)),
  );
  const nodes = [...tensors, float32([1], [9])].map(
    (tensor, at): Node => ({ op: "const", id: `c${at}`, inputs: [], attrs: { tensor } }),
  );
  return { name: "g", nodes, outputs: [], opsets: {} };
}

const tensorsOf = ({ nodes }: Graph): readonly Tensor[] =>
  nodes.flatMap((node) => (node.op === "const" ? [node.attrs.tensor] : []));

const fileOf = (): ArrayBuffer => Float32Array.from({ length: 100 }, (_, at) => at).buffer;

it("copies few views, each once, with their values", () => {
  const file = fileOf();
  const graph = graphOf(file, [
    [10, 3],
    [50, 7],
  ]);
  const [first] = graph.nodes;
  const twice: Graph = { ...graph, nodes: [...graph.nodes, { ...first, id: "again" } as Node] };
  const apart = apartFrom(new Uint8Array(file), twice);
  expect(tensorsOf(apart)).toEqual(tensorsOf(twice));
  for (const { data } of tensorsOf(apart)) expect(data.buffer).not.toBe(file);
  expect(tensorsOf(apart).at(-1)?.data).toBe(tensorsOf(apart)[0]?.data);
});

it("leaves a graph alone that has no view, or mostly views", () => {
  const file = fileOf();
  for (const graph of [graphOf(file, []), graphOf(file, [[0, 51]])])
    expect(apartFrom(new Uint8Array(file), graph)).toBe(graph);
});
