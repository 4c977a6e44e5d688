import { describe, expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import type { PoolAttrs } from "../../ir/ops.ts";
import { float32, type Tensor, tensor, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";
import { windowsOf } from "./windows.ts";

const output = (small: ReturnType<typeof smallGraph>): Tensor =>
  runScalar(small.graph, small.feeds).get("y")!;

const window = (attrs: Partial<PoolAttrs>): PoolAttrs => ({
  kernel: [2, 2],
  stride: [2, 2],
  pads: [0, 0, 0, 0],
  dilation: [1, 1],
  ceil: false,
  ...attrs,
});
const line = (values: readonly number[]): Tensor<"float32"> =>
  float32([1, 1, 1, values.length], values);
const along: Partial<PoolAttrs> = { kernel: [1, 3], stride: [1, 2] };

describe("windowsOf", () => {
  it("clips the last window of ceil mode to the image", () => {
    const windows = windowsOf([1, 6], window({ ...along, ceil: true }), "pool");
    expect(windows.map(({ pixels }) => [...pixels])).toEqual([
      [0, 1, 2],
      [2, 3, 4],
      [4, 5],
    ]);
    expect(windows.map(({ padded }) => padded)).toEqual([3, 3, 2]);
  });
  it("counts padding, but not what hangs over it", () => {
    const attrs = window({ ...along, pads: [0, 1, 0, 1], ceil: true });
    const windows = windowsOf([1, 5], attrs, "pool");
    expect(windows.map(({ pixels }) => [...pixels])).toEqual([
      [0, 1],
      [1, 2, 3],
      [3, 4],
    ]);
    expect(windows.map(({ padded }) => padded)).toEqual([3, 3, 3]);
    const wide = windowsOf([1, 6], attrs, "pool");
    expect(wide.map(({ pixels }) => [...pixels])).toEqual([[0, 1], [1, 2, 3], [3, 4, 5], [5]]);
    expect(wide.map(({ padded }) => padded)).toEqual([3, 3, 3, 2]);
  });
  it("skips pixels under dilation", () => {
    const attrs = window({ kernel: [1, 2], stride: [1, 1], dilation: [1, 3] });
    expect(windowsOf([1, 5], attrs, "pool").map(({ pixels }) => [...pixels])).toEqual([
      [0, 3],
      [1, 4],
    ]);
  });
});

describe("maxPool", () => {
  it("ignores padding even where all values are negative", () => {
    const attrs = window({ ...along, pads: [0, 1, 0, 1] });
    expect(toNumbers(output(smallGraph("maxPool", attrs, [line([-5, -3, -4])])))).toEqual([-3, -3]);
  });
  it("keeps the element type of integers", () => {
    const bytes = tensor("int8", [1, 1, 2, 2], Int8Array.of(-128, -7, -9, -100));
    const y = output(smallGraph("maxPool", window({}), [bytes]));
    expect([y.dtype, ...toNumbers(y)]).toEqual(["int8", -7]);
    const unsigned = tensor("uint8", [1, 1, 2, 2], Uint8Array.of(0, 200, 7, 255));
    expect(toNumbers(output(smallGraph("globalMaxPool", {}, [unsigned])))).toEqual([255]);
  });
  it("takes planes apart", () => {
    const x = float32([2, 1, 2, 2], [1, 2, 3, 4, 8, 7, 6, 5]);
    expect(toNumbers(output(smallGraph("maxPool", window({}), [x])))).toEqual([4, 8]);
  });
});

describe("avgPool", () => {
  const attrs = window({ ...along, pads: [0, 1, 0, 1], ceil: true });
  it("divides by padded pixels as Caffe does, but never by the overhang", () => {
    const y = output(
      smallGraph("avgPool", { ...attrs, countPad: true }, [line([3, 6, 3, 9, 3, 8])]),
    );
    expect(toNumbers(y)).toEqual([3, 6, Math.fround(20 / 3), 4]);
  });
  it("or by pixels of the image alone", () => {
    const y = output(
      smallGraph("avgPool", { ...attrs, countPad: false }, [line([3, 6, 3, 9, 3, 8])]),
    );
    expect(toNumbers(y)).toEqual([4.5, 6, Math.fround(20 / 3), 8]);
  });
  it("global: the mean of all pixels", () => {
    const x = float32([1, 2, 1, 2], [1, 2, 3, 5]);
    expect(toNumbers(output(smallGraph("globalAvgPool", {}, [x])))).toEqual([1.5, 4]);
  });
});

it("stochasticPool weighs values by themselves, and gives 0 for an empty sum", () => {
  const attrs = window({ kernel: [1, 2], stride: [1, 2] });
  expect(toNumbers(output(smallGraph("stochasticPool", attrs, [line([1, 3, 0, 0])])))).toEqual([
    2.5, 0,
  ]);
});
