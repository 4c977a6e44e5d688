import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { normals } from "../../test/small-case.ts";
import { smallGraph } from "../../test/small-graph.ts";
import type { Precision } from "../fixed/precision.ts";
import { constantOf, type Graph, nodesOf } from "../ir/graph.ts";
import type { Node } from "../ir/ops.ts";
import type { Warning } from "../notice.ts";
import { runScalar } from "../run/scalar/run-scalar.ts";
import { float32, toNumbers } from "../tensor/tensor.ts";
import { foldQuantLayers } from "./fold-quant-layers.ts";

const window = { stride: [1, 1], pads: [1, 0, 1, 0], dilation: [1, 1], groups: 1 } as const;
const precisions: readonly Precision[] = [
  ...(["float", "dynamic", "oneBit", "twoBits", "threeBits", "fiveBits"] as const),
];
const outputs = (graph: Graph, x: ReturnType<typeof normals>): readonly number[] =>
  [...runScalar(graph, new Map([["x0", x]])).values()].flatMap(toNumbers);

describe("foldQuantLayers", () => {
  it("keeps what a convolution computes, under the names of its constants", () => {
    fc.assert(
      fc.property(
        fc.record({
          precision: fc.constantFrom(...precisions),
          parameterBits: fc.constantFrom(8, 12),
          shiftEnabled: fc.boolean(),
        }),
        fc.nat(1000),
        (rule, seed) => {
          const x = normals(seed, [1, 3, 5, 4]);
          const constants = [normals(seed + 1, [2, 3, 3, 2], 0.2), normals(seed + 2, [2])];
          const { graph } = smallGraph("quantConv", { ...window, ...rule }, [x], constants);
          const folded = foldQuantLayers(graph);
          expect(folded.nodes.map(({ op, id }) => [op, id])).toEqual(
            expect.arrayContaining([
              ["const", "c0"],
              ["const", "c1"],
              ["conv", "y"],
            ]),
          );
          expect(nodesOf(folded, "quantConv")).toEqual([]);
          expect(outputs(folded, x)).toEqual(outputs(graph, x));
          expect(foldQuantLayers(folded)).toBe(folded);
        },
      ),
    );
  });

  it("keeps what an activation computes: not quantized a relu, quantized itself", () => {
    const x = normals(3, [1, 3, 5, 4]);
    const cap = float32([3], [0.5, 1, 2]);
    const plain = smallGraph("quantRelu", { slope: 0.25, bits: 5, quantized: false }, [x], [cap]);
    const folded = foldQuantLayers(plain.graph);
    expect(folded.nodes.map(({ op }) => op)).toEqual(["input", "relu"]);
    expect(outputs(folded, x)).toEqual(outputs(plain.graph, x));
    const levels = smallGraph("quantRelu", { slope: 0, bits: 5, quantized: true }, [x], [cap]);
    expect(foldQuantLayers(levels.graph)).toBe(levels.graph);
  });

  it("gives layers that share weights their own, and leaves computed weights", () => {
    const x = float32([1, 1, 1, 1], [1]);
    const { graph } = smallGraph(
      "quantConv",
      {
        ...{ ...window, pads: [0, 0, 0, 0], precision: "dynamic" },
        ...{ parameterBits: 12, shiftEnabled: true },
      },
      [x],
      [float32([1, 1, 1, 1], [0.3])],
    );
    const [first] = nodesOf(graph, "quantConv");
    if (first === undefined) throw new Error("no convolution");
    const second = { ...first, id: "z", attrs: { ...first.attrs, parameterBits: 2 } };
    const computed: Node = { ...first, id: "computed", inputs: ["x0", "x0"] };
    const folded = foldQuantLayers({
      ...graph,
      nodes: [...graph.nodes, second, computed],
      outputs: ["y", "z", "computed"].map((id) => ({ name: id, id })),
    });
    expect(folded.nodes.map(({ op }) => op).toSorted()).toEqual(
      ["const", "const", "conv", "conv", "input", "quantConv"].toSorted(),
    );
    const weights = folded.nodes.flatMap((node) => toNumbers(constantOf(node) ?? float32([0], [])));
    // 2047 / 0.3 gives shift 12; 1 / 0.3 gives 1.
    expect(weights).toEqual([Math.round(0.3 * 4096) / 4096, 0.5]);
  });

  it("warns of kernels that round to nothing", () => {
    const rule = { precision: "oneBit", parameterBits: 12, shiftEnabled: true } as const;
    const warned = (weights: readonly number[], bias: number): readonly Warning[] => {
      const constants = [float32([1, weights.length, 1, 1], weights), float32([1], [bias])];
      const x = float32([1, weights.length, 1, 1], new Float32Array(weights.length));
      const { graph } = smallGraph("quantConv", { ...window, ...rule }, [x], constants);
      const warnings: Warning[] = [];
      foldQuantLayers(graph, (warning) => warnings.push(warning));
      return warnings;
    };
    expect(warned([0.01, 0.5], 0)).toEqual([]);
    // A bias of 255 leaves 3 fractional bits.
    expect(warned([0.01, 0.5], 255)).toEqual([
      { id: "vanished-kernels", message: "1 of 2 kernels round to 0", where: 'quantConv "y"' },
    ]);
    expect(warned([0, 0], 0).map(({ id }) => id)).toEqual(["zero-weights"]);
  });
});
