/**
 * Worked examples of the float kernels; convolution and pooling have tests of their own, and
 * test/lowering.test.ts compares every operator with ONNX Runtime.
 */
import { describe, expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import type { Op, Ops } from "../../ir/ops.ts";
import { float32, type Tensor, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";

function values<K extends Op>(
  op: K,
  attrs: Ops[K],
  fed: readonly Tensor[],
  constants: readonly Tensor[] = [],
): number[] {
  const { graph, feeds } = smallGraph(op, attrs, fed, constants);
  return toNumbers(runScalar(graph, feeds, { precision: "float64" }).get("y")!);
}
const row = (...numbers: number[]): Tensor<"float32"> => float32([numbers.length], numbers);

describe("activations", () => {
  it("relu keeps 0 for -Infinity, and the slope where there is one", () => {
    expect(values("relu", { slope: 0 }, [row(-Infinity, -1, 0, 2)])).toEqual([0, 0, 0, 2]);
    expect(values("relu", { slope: 0.5 }, [row(-4, 4)])).toEqual([-2, 4]);
  });
  it("prelu per channel and shared", () => {
    const x = float32([1, 2, 1, 2], [-1, 1, -2, 2]);
    expect(values("prelu", {}, [x], [row(0.5, 0.25)])).toEqual([-0.5, 1, -0.5, 2]);
    expect(values("prelu", {}, [x], [row(0.5)])).toEqual([-0.5, 1, -1, 2]);
  });
  it("clip, abs, elu", () => {
    expect(values("clip", { min: 0, max: 6 }, [row(-1, 3, 7)])).toEqual([0, 3, 6]);
    expect(values("abs", {}, [row(-1, 3)])).toEqual([1, 3]);
    expect(values("elu", { alpha: 2 }, [row(-1, 3)])).toEqual([2 * Math.expm1(-1), 3]);
  });
  it("power, exp and log with Caffe's base", () => {
    expect(values("power", { power: 2, scale: 3, shift: 1 }, [row(1, -1)])).toEqual([16, 4]);
    expect(values("exp", { base: -1, scale: 2, shift: 1 }, [row(0)])).toEqual([Math.E]);
    expect(values("exp", { base: 2, scale: 1, shift: 1 }, [row(2)])[0]).toBeCloseTo(8, 12);
    expect(values("log", { base: 10, scale: 1, shift: 0 }, [row(1000)])[0]).toBeCloseTo(3, 12);
    expect(values("log", { base: -1, scale: 1, shift: 1 }, [row(0)])).toEqual([0]);
  });
  it("softmax of large values along any axis", () => {
    const x = float32([2, 2], [1000, 1000, 0, 1000]);
    expect(values("softmax", { axis: 1 }, [x])).toEqual([0.5, 0.5, 0, 1]);
    expect(values("softmax", { axis: 0 }, [x])).toEqual([1, 0.5, 0, 0.5]);
    expect(values("softmax", { axis: -1 }, [x])).toEqual([0.5, 0.5, 0, 1]);
  });
});

describe("normalizations", () => {
  const x = float32([1, 2, 1, 2], [1, 2, 3, 4]);
  it("batchNorm", () => {
    const constants = [row(1, 3), row(3, 0)];
    expect(values("batchNorm", { epsilon: 1 }, [x], constants)).toEqual([0, 0.5, 0, 1]);
    const affine = [...constants, row(2, 1), row(0, 10)];
    expect(values("batchNorm", { epsilon: 1 }, [x], affine)).toEqual([0, 1, 10, 11]);
  });
  it("scale and bias from an axis on", () => {
    expect(values("scale", { axis: 1 }, [x], [row(2, 10)])).toEqual([2, 4, 30, 40]);
    expect(values("scale", { axis: 3 }, [x], [row(2, 10), row(1, 0)])).toEqual([3, 20, 7, 40]);
    expect(values("scale", { axis: 0 }, [x], [float32([], [2])])).toEqual([2, 4, 6, 8]);
    expect(values("bias", { axis: -1 }, [x], [row(2, 10)])).toEqual([3, 12, 5, 14]);
    expect(() => values("bias", { axis: 1 }, [x], [row(1, 2, 3)])).toThrow(/bias "y"/);
  });
  it("lrn across channels divides by size, within a channel by its square", () => {
    const common = { size: 3, alpha: 3, beta: 1, k: 1 };
    const across = values("lrn", { ...common, region: "across" }, [x]);
    expect(across).toEqual([1 / 11, 2 / 21, 3 / 11, 4 / 21]);
    const within = values("lrn", { ...common, region: "within" }, [x]);
    const third = 3 / 9;
    expect(within).toEqual([
      1 / (1 + third * 5),
      2 / (1 + third * 5),
      3 / (1 + third * 25),
      4 / (1 + third * 25),
    ]);
  });
  it("normalize over channels or over the whole image", () => {
    const image = float32([1, 2, 1, 2], [3, 0, 4, 2]);
    const each = { acrossSpatial: false, epsilon: 0 };
    expect(values("normalize", each, [image], [row(10, 20)])).toEqual([6, 0, 16, 20]);
    const all = { acrossSpatial: true, epsilon: 7 };
    expect(values("normalize", all, [image], [row(6)])).toEqual([3, 0, 4, 2]);
  });
});

describe("elementwise", () => {
  const [a, b] = [float32([2, 2], [1, 2, 3, 4]), float32([2], [10, 20])];
  it("broadcasts", () => {
    expect(values("add", {}, [a, b])).toEqual([11, 22, 13, 24]);
    expect(values("sub", {}, [b, a])).toEqual([9, 18, 7, 16]);
    expect(values("mul", {}, [a, float32([2, 1], [2, 3])])).toEqual([2, 4, 9, 12]);
    expect(values("div", {}, [a, b])).toEqual([0.1, 0.1, 0.3, 0.2]);
    expect(values("maximum", {}, [a, float32([], [2.5])])).toEqual([2.5, 2.5, 3, 4]);
  });
  it("adds three with coefficients", () => {
    expect(values("add", { coefficients: [1, -1, 2] }, [a, a, a])).toEqual([2, 4, 6, 8]);
    expect(() => values("add", { coefficients: [1] }, [a, a])).toThrow(/coefficient/);
  });
});

describe("argMax", () => {
  const x = float32([2, 3], [1, 5, 3, 7, 2, 7]);
  it("without axis gives indices, and values below them", () => {
    expect(values("argMax", { topK: 2, outMaxVal: false }, [x])).toEqual([1, 2, 2, 0]);
    expect(values("argMax", { topK: 1, outMaxVal: true }, [x])).toEqual([1, 5, 2, 7]);
  });
  it("along an axis gives indices or values; of equals the last", () => {
    expect(values("argMax", { axis: 1, topK: 1, outMaxVal: false }, [x])).toEqual([1, 2]);
    expect(values("argMax", { axis: 0, topK: 1, outMaxVal: false }, [x])).toEqual([1, 0, 1]);
    expect(values("argMax", { axis: 0, topK: 1, outMaxVal: true }, [x])).toEqual([7, 5, 7]);
  });
  it("refuses more than there are", () => {
    expect(() => values("argMax", { axis: 1, topK: 4, outMaxVal: false }, [x])).toThrow(/topK/);
  });
});

describe("resize", () => {
  const line = float32([1, 1, 1, 3], [0, 10, 40]);
  it("nearest takes the floor", () => {
    const attrs = { mode: "nearest", alignCorners: false } as const;
    expect(values("resize", { ...attrs, factor: [1, 2] }, [line])).toEqual([0, 0, 10, 10, 40, 40]);
    expect(values("resize", { ...attrs, size: [1, 2] }, [line])).toEqual([0, 10]);
  });
  it("bilinear at half-pixel centres and with corners aligned", () => {
    const attrs = { mode: "bilinear", size: [1, 6] } as const;
    expect(values("resize", { ...attrs, alignCorners: false }, [line])).toEqual([
      0, 2.5, 7.5, 17.5, 32.5, 40,
    ]);
    const aligned = { mode: "bilinear", alignCorners: true, size: [1, 5] } as const;
    expect(values("resize", aligned, [line])).toEqual([0, 5, 10, 25, 40]);
    expect(values("resize", { ...aligned, size: [2, 1] }, [line])).toEqual([0, 0]);
  });
});
