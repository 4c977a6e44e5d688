import { describe, expect, it } from "vitest";
import type { Node, Ops } from "../../ir/ops.ts";
import { float32, type Tensor, tensor, toNumbers } from "../../tensor/tensor.ts";
import { runScalar } from "./run-scalar.ts";

type ShiftAttrs = Ops["shiftConv"];

const plain: ShiftAttrs = {
  ...{ stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1], groups: 1 },
  ...{ shift: 0, identityShift: 0, output: { kind: "levels", qMin: 0, qMax: 31 } },
};

function run(node: Node, values: readonly Tensor[]): Tensor {
  const inputs = values.map(({ dtype, shape }, at): Node => {
    return { op: "input", id: `x${at}`, inputs: [], attrs: { dtype, shape } };
  });
  const named = { ...node, id: "y", inputs: inputs.map(({ id }) => id) };
  const graph = {
    name: "one",
    nodes: [...inputs, named],
    outputs: [{ name: "y", id: "y" }],
    opsets: {},
  };
  const result = runScalar(graph, new Map(values.map((value, at) => [`x${at}`, value]))).get("y");
  if (result === undefined) throw new Error("no output");
  return result;
}

function shiftConv(attrs: Partial<ShiftAttrs>, values: readonly Tensor[]): Tensor {
  const node: Node = { op: "shiftConv", id: "y", inputs: [], attrs: { ...plain, ...attrs } };
  return run(node, values);
}

const row = (values: readonly number[]): Tensor => float32([1, 1, 1, values.length], values);
const one = (value: number): Tensor => tensor("int16", [1, 1, 1, 1], Int16Array.of(value));
const bias = (value: number): Tensor => tensor("int32", [1], Int32Array.of(value));

describe("shiftConv", () => {
  it("rounds half up, then clamps", () => {
    const x = tensor("int8", [1, 1, 1, 7], Int8Array.of(-3, -2, -1, 0, 1, 2, 3));
    const output = { kind: "levels", qMin: -1, qMax: 2 } as const;
    // acc = 2x + 1 = -5 -3 -1 1 3 5 7, over 4.
    const y = shiftConv({ shift: 2, output }, [x, one(2), bias(1)]);
    expect(y.dtype).toBe("int16");
    expect(toNumbers(y)).toEqual([-1, -1, 0, 0, 1, 1, 2]);
  });

  it("gives the narrowest type that its clamp allows", () => {
    const types = ([31, 255, 1023] as const).map(
      (qMax) =>
        shiftConv({ output: { kind: "levels", qMin: 0, qMax } }, [row([1]), one(1), bias(0)]).dtype,
    );
    expect(types).toEqual(["uint8", "uint8", "uint16"]);
  });

  it("multiplies where the shift is negative", () => {
    expect(toNumbers(shiftConv({ shift: -3 }, [row([0, 1, 3, 4]), one(1), bias(0)]))).toEqual([
      ...[0, 8, 24, 31],
    ]);
  });

  it("is exact far beyond 2^24", () => {
    const x = tensor("uint16", [1, 1, 1, 2], Uint16Array.of(1023, 1022));
    const weight = tensor("int32", [1, 1, 1, 1], Int32Array.of(2 ** 20 + 1));
    const y = shiftConv({ output: { kind: "accumulator" } }, [x, weight, bias(-1)]);
    expect(y.dtype).toBe("int32");
    expect(toNumbers(y)).toEqual([1023 * (2 ** 20 + 1) - 1, 1022 * (2 ** 20 + 1) - 1]);
  });

  it("adds the identity before it rounds", () => {
    const identity = row([0, 1, 2, 3]);
    const values = [row([1, 1, 1, 1]), one(1), bias(0), identity];
    // (1 + 2z) / 4: 0.25 0.75 1.25 1.75
    expect(toNumbers(shiftConv({ shift: 2, identityShift: 1 }, values))).toEqual([0, 1, 1, 2]);
    // 1 + z / 2: 1 1.5 2 2.5
    expect(toNumbers(shiftConv({ shift: 0, identityShift: -1 }, values))).toEqual([1, 2, 2, 3]);
  });

  it("saturates or wraps the total, not what comes out of the shift", () => {
    const x = tensor("uint8", [1, 1, 1, 4], Uint8Array.of(15, 16, 17, 255));
    const narrow = (overflow: "saturate" | "wrap", kind: "levels" | "accumulator"): number[] => {
      const output = kind === "levels" ? plain.output : ({ kind } as const);
      const attrs = { shift: 3, output, accumulator: { bits: 8, overflow } };
      return toNumbers(shiftConv(attrs, [x, one(8), bias(0)]));
    };
    // acc = 120 128 136 2040
    expect(narrow("saturate", "accumulator")).toEqual([120, 127, 127, 127]);
    expect(narrow("saturate", "levels")).toEqual([15, 16, 16, 16]);
    expect(narrow("wrap", "accumulator")).toEqual([120, -128, -120, -8]);
    expect(narrow("wrap", "levels")).toEqual([15, 0, 0, 0]);
  });

  it("pads with 0, strides and groups as conv does", () => {
    const x = float32([1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
    const weight = tensor("int8", [2, 1, 2, 2], Int8Array.of(1, 1, 1, 1, 0, 0, 0, 1));
    const attrs = { pads: [1, 1, 1, 1] as const, stride: [2, 2] as const, groups: 2 };
    const y = shiftConv(attrs, [x, weight, tensor("int32", [2], Int32Array.of(0, 1))]);
    // Windows start at rows and columns -1 and 1. The second channel keeps their bottom right pixel, plus 1.
    expect(toNumbers(y)).toEqual([1, 2, 3, 4, 6, 1, 1, 1]);
  });

  it("refuses what is no integer, and sums that fit nothing", () => {
    expect(() => shiftConv({}, [row([0.5]), one(1), bias(0)])).toThrow("no integer");
    const output = { kind: "accumulator" } as const;
    const wide = [row([2 ** 20]), one(2 ** 12), bias(0)];
    expect(() => shiftConv({ output }, wide)).toThrow("does not fit 32 bits");
    const added = [row([1]), one(1), bias(0), row([1])];
    expect(() => shiftConv({ output, identityShift: -1 }, added)).toThrow("finer grid");
    expect(() =>
      shiftConv({}, [
        row([2 ** 30]),
        tensor("int32", [1, 1, 1, 1], Int32Array.of(2 ** 30)),
        bias(0),
      ]),
    ).toThrow("2^53");
  });
});

describe("values on their way into a chip", () => {
  it("reduceBits keeps the type", () => {
    const node: Node = { op: "reduceBits", id: "y", inputs: [], attrs: { from: 8, to: 5 } };
    const bytes = run(node, [tensor("uint8", [4], Uint8Array.of(3, 4, 244, 255))]);
    expect([bytes.dtype, ...toNumbers(bytes)]).toEqual(["uint8", 0, 1, 31, 31]);
    const floats = run(node, [float32([3], [3.99, 4, 11.5])]);
    expect([floats.dtype, ...toNumbers(floats)]).toEqual(["float32", 0, 1, 1]);
  });

  it("toLevels rounds half up and clamps; no number gives 0", () => {
    const node: Node = { op: "toLevels", id: "y", inputs: [], attrs: { step: 0.5, qMax: 31 } };
    const y = run(node, [float32([6], [-1, 0.24, 0.25, 0.75, 99, Number.NaN])]);
    expect([y.dtype, ...toNumbers(y)]).toEqual(["uint8", 0, 0, 1, 2, 31, 0]);
    const wide: Node = { op: "toLevels", id: "y", inputs: [], attrs: { step: 1, qMax: 1023 } };
    expect(run(wide, [float32([1], [2000])]).dtype).toBe("uint16");
  });

  it("zeroInsert puts each pixel top left in its block", () => {
    const node: Node = { op: "zeroInsert", id: "y", inputs: [], attrs: { factor: [2, 3] } };
    const y = run(node, [tensor("uint8", [1, 2, 1, 2], Uint8Array.of(1, 2, 3, 4))]);
    expect(y.shape).toEqual([1, 2, 2, 6]);
    const empty = [0, 0, 0, 0, 0, 0];
    expect(toNumbers(y)).toEqual([1, 0, 0, 2, 0, 0, ...empty, 3, 0, 0, 4, 0, 0, ...empty]);
  });
});

describe("movers on levels", () => {
  it("pool, sample and repeat 10-bit levels", () => {
    const x = tensor("uint16", [1, 1, 2, 2], Uint16Array.of(7, 1023, 0, 512));
    const window = { stride: [2, 2], pads: [0, 0, 0, 0], dilation: [1, 1], ceil: true } as const;
    const pool = (kernel: readonly [number, number]): Tensor =>
      run({ op: "maxPool", id: "y", inputs: [], attrs: { ...window, kernel } }, [x]);
    expect([pool([2, 2]).dtype, ...toNumbers(pool([2, 2]))]).toEqual(["uint16", 1023]);
    expect(toNumbers(pool([1, 1]))).toEqual([7]);
    const repeat: Node = {
      op: "resize",
      id: "y",
      inputs: [],
      attrs: { mode: "nearest", alignCorners: false, factor: [1, 2] },
    };
    expect(toNumbers(run(repeat, [x]))).toEqual([7, 7, 1023, 1023, 0, 0, 512, 512]);
  });
});
