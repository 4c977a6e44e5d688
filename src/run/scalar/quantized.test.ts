import { describe, expect, it } from "vitest";
import { smallGraph } from "../../../test/small-graph.ts";
import type { ConvAttrs, IntOutput } from "../../ir/ops.ts";
import { float32, type Tensor, tensor, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";

const output = (small: ReturnType<typeof smallGraph>): Tensor =>
  runScalar(small.graph, small.feeds).get("y")!;
const int8 = (shape: readonly number[], values: readonly number[]): Tensor =>
  tensor("int8", shape, Int8Array.from(values));
const uint8 = (shape: readonly number[], values: readonly number[]): Tensor =>
  tensor("uint8", shape, Uint8Array.from(values));
const int32 = (values: readonly number[]): Tensor =>
  tensor("int32", [values.length], Int32Array.from(values));

const signed = { yZero: 0, qMin: -128, qMax: 127 };
const unsigned = { yZero: 3, qMin: 0, qMax: 255 };
const plain: ConvAttrs = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
const asIntegers: IntOutput = { kind: "integer", ...signed };

describe("intConv", () => {
  it("rounds ties to even and saturates at both ends, per channel", () => {
    const x = uint8([1, 1, 1, 4], [11, 13, 0, 255]);
    const weight = int8([2, 1, 1, 1], [1, -1]);
    const y = output(
      smallGraph(
        "intConv",
        { ...plain, xZero: 10, output: { kind: "integer", ...unsigned } },
        [x],
        [weight, int32([0, 0]), float32([2], [0.5, 2])],
      ),
    );
    // Channel 0: 0.5, 1.5, -5, 122.5 plus 3; channel 1: -2, -6, 20, -490 plus 3.
    expect([y.dtype, ...toNumbers(y)]).toEqual(["uint8", 3, 5, 0, 125, 1, 0, 23, 0]);
  });

  it("gives 0, not the zero point, for padding", () => {
    const x = uint8([1, 1, 1, 1], [130]);
    const attrs = { ...plain, pads: [0, 1, 0, 1] as const, xZero: 128, output: asIntegers };
    const constants = [int8([1, 1, 1, 3], [5, 7, 9]), int32([1]), float32([1], [1])];
    const y = output(smallGraph("intConv", attrs, [x], constants));
    expect([y.dtype, ...toNumbers(y)]).toEqual(["int8", 15]);
    const wide = { ...attrs, pads: [0, 2, 0, 2] as const };
    expect(toNumbers(output(smallGraph("intConv", wide, [x], constants)))).toEqual([19, 15, 11]);
  });

  it("gives real values of the last layer, the accumulator rounded to float32 first", () => {
    const channels = 600;
    const x = uint8(
      [1, channels, 1, 1],
      Array.from({ length: channels }, () => 255),
    );
    const weight = int8(
      [1, channels, 1, 1],
      Array.from({ length: channels }, () => 127),
    );
    const attrs = { ...plain, xZero: 0, output: { kind: "real" } as const };
    const multiplier = Math.fround(0.001);
    const y = output(
      smallGraph("intConv", attrs, [x], [weight, int32([7]), float32([1], [multiplier])]),
    );
    const acc = 600 * 255 * 127 + 7;
    expect(acc).toBeGreaterThan(2 ** 24);
    expect(acc % 2).toBe(1);
    expect([y.dtype, ...toNumbers(y)]).toEqual([
      "float32",
      Math.fround(Math.fround(acc) * multiplier),
    ]);
  });
});

it("intLinear: the same on rows", () => {
  const x = int8([2, 3], [1, 2, 3, -128, 127, 0]);
  const attrs = { xZero: -1, output: asIntegers };
  const constants = [int8([2, 3], [1, 1, 1, 1, -1, 2]), int32([0, 10]), float32([2], [0.5, 1])];
  const y = output(smallGraph("intLinear", attrs, [x], constants));
  // Rows after the zero point: 2, 3, 4 and -127, 128, 1.
  expect(toNumbers(y)).toEqual([4, 17, 1, -128]);
});

describe("intAvgPool", () => {
  it("divides by the pixels that the window sees", () => {
    const attrs = {
      window: {
        kernel: [1, 3],
        stride: [1, 2],
        pads: [0, 1, 0, 1],
        dilation: [1, 1],
        ceil: false,
      },
      xZero: 10,
      multiplier: 1,
      output: { yZero: 10, qMin: 0, qMax: 255 },
    } as const;
    const y = output(smallGraph("intAvgPool", attrs, [uint8([1, 1, 1, 3], [12, 15, 20])]));
    // (2 + 5) / 2 = 3.5 -> 4 and (5 + 10) / 2 = 7.5 -> 8.
    expect(toNumbers(y)).toEqual([14, 18]);
  });
  it("rounds multiplier / count to float32", () => {
    const attrs = { window: "global", xZero: 0, multiplier: 1, output: signed } as const;
    const x = int8([1, 2, 1, 3], [1, 1, 1, 100, 127, 127]);
    expect(toNumbers(output(smallGraph("intAvgPool", attrs, [x])))).toEqual([
      Math.round(Math.fround(3 * Math.fround(1 / 3))),
      Math.round(Math.fround(354 * Math.fround(1 / 3))),
    ]);
  });
});

it("intAdd scales both sides in float32, adds, rounds and clamps", () => {
  const attrs = { zeros: [10, -1] as const, multipliers: [0.5, 0.25] as const, output: unsigned };
  const [a, b] = [uint8([5], [11, 13, 11, 0, 255]), int8([5], [-1, -1, 1, -1, 127])];
  // The last: 122.5 + 32 = 154.5, a tie, goes to 154, plus 3.
  const y = output(smallGraph("intAdd", attrs, [a, b]));
  expect(toNumbers(y)).toEqual([3, 5, 4, 0, 157]);
  const other = int8([1], [0]);
  expect(() => output(smallGraph("intAdd", attrs, [a, other]))).toThrow(/intAdd "y"/);
});

it("requantize moves integers to another grid, and clamps", () => {
  const attrs = { xZero: 128, multiplier: 0.5, output: { yZero: 0, qMin: 0, qMax: 60 } };
  const y = output(smallGraph("requantize", attrs, [uint8([6], [0, 128, 129, 131, 133, 255])]));
  expect([y.dtype, ...toNumbers(y)]).toEqual(["uint8", 0, 0, 0, 2, 2, 60]);
});

describe("quantize and dequantize", () => {
  it("per tensor: ties to even, saturation at both ends", () => {
    const x = float32([6], [-200, -1.5, -0.5, 0.5, 1.5, 200]);
    const y = output(smallGraph("quantize", { axis: 0 }, [x], [float32([], [1]), int8([], [0])]));
    expect([y.dtype, ...toNumbers(y)]).toEqual(["int8", -128, -2, 0, 0, 2, 127]);
  });
  it("per channel, with zero points", () => {
    const x = float32([1, 2, 1, 2], [1, -1, 1, -1]);
    const constants = [float32([2], [0.5, 0.25]), uint8([2], [0, 128])];
    const y = output(smallGraph("quantize", { axis: 1 }, [x], constants));
    expect(toNumbers(y)).toEqual([2, 0, 132, 124]);
    const back = output(smallGraph("dequantize", { axis: 1 }, [y], constants));
    expect(toNumbers(back)).toEqual([1, 0, 1, -1]);
  });
  it("int32 for biases", () => {
    const x = float32([2], [1e9, -3]);
    const zero = tensor("int32", [], Int32Array.of(0));
    const constants = [float32([], [Math.fround(0.25)]), zero];
    const y = output(smallGraph("quantize", { axis: 0 }, [x], constants));
    expect([y.dtype, ...toNumbers(y)]).toEqual(["int32", 2 ** 31 - 1, -12]);
    const small = output(smallGraph("dequantize", { axis: 0 }, [y], constants));
    expect(toNumbers(small)).toEqual([2 ** 29, -3]);
  });
  it("refuses other zero points", () => {
    const constants = [float32([], [1]), float32([], [0])];
    expect(() => output(smallGraph("quantize", { axis: 0 }, [constants[0]!], constants))).toThrow(
      /quantize "y"/,
    );
  });
});
