import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { editGainOnGrid, type GridGainOptions } from "./edit-gain-on-grid.ts";
import { applyGain, chipTops, gainOf } from "./gains.ts";
import { mergeBatchNorm } from "./merge-batch-norm.ts";
import { mergeInputMean } from "./merge-input-mean.ts";

const conv = { weight: Float32Array.of(2), bias: Float32Array.of(1) };
const one = (value: number): Float32Array => Float32Array.of(value);

describe("a batch norm merged", () => {
  const blobs = { mean: one(4), variance: one(8), count: 2, gamma: one(3), beta: one(0.5) };

  it("is the worked example", () => {
    const { weight, bias } = mergeBatchNorm(conv, blobs, 0, "conv");
    expect([weight[0], bias[0]]).toEqual([3, -1]);
  });

  it("counts a count of 0 as 1, and does without gamma and beta", () => {
    const bare = { ...blobs, count: 0, gamma: undefined, beta: undefined };
    const { weight, bias } = mergeBatchNorm(conv, bare, 1, "conv");
    expect([weight[0], bias[0]]).toEqual([Math.fround(2 / 3), Math.fround(1 / 3 - 4 / 3)]);
  });

  it("computes the same function", () => {
    const value = fc.float({ min: -4, max: 4, noNaN: true, noDefaultInfinity: true });
    const positive = fc.float({ min: 0.5, max: 4, noNaN: true });
    fc.assert(
      fc.property(value, value, value, positive, positive, (w, b, mean, variance, x) => {
        const parameters = { weight: one(w), bias: one(b) };
        const stats = { mean: one(mean), variance: one(variance), count: 1 };
        const scale = { gamma: one(1.5), beta: one(-2) };
        const folded = mergeBatchNorm(parameters, { ...stats, ...scale }, 1e-3, "conv");
        const want = (1.5 * (w * x + b - mean)) / Math.sqrt(variance + 1e-3) - 2;
        expect(folded.weight[0]! * x + folded.bias[0]!).toBeCloseTo(want, 3);
      }),
    );
  });

  it("is refused where it has other channels, or statistics that are no numbers", () => {
    expect(() => mergeBatchNorm(conv, { ...blobs, beta: new Float32Array(2) }, 0, "bn")).toThrow(
      "bn: the batch norm has another number of channels than the convolution: expected 1, got 2",
    );
    expect(() => mergeBatchNorm(conv, { ...blobs, variance: one(-8) }, 0, "bn")).toThrow(
      "variance is negative",
    );
  });
});

describe("the input's mean merged", () => {
  it("is the worked example", () => {
    const parameters = { weight: Float32Array.of(1, 2), bias: one(1) };
    const { bias } = mergeInputMean(parameters, { scale: 0.5, means: [10, 20], groups: 1 }, "c");
    expect([...bias]).toEqual([-24]);
  });

  it("sums kernels of any size, and takes a group's own channels", () => {
    for (const taps of [1, 7, 9, 25, 121, 300]) {
      const weight = Float32Array.from({ length: 2 * taps }, (_, at) => (at % 7) - 3);
      const bias = new Float32Array(2);
      const sums = [0, 1].map((at) =>
        weight.subarray(at * taps, (at + 1) * taps).reduce((a, b) => a + b, 0),
      );
      const merged = mergeInputMean({ weight, bias }, { scale: 2, means: [3, 5], groups: 2 }, "c");
      expect([...merged.bias]).toEqual([-6 * sums[0]! + 0, -10 * sums[1]! + 0]);
    }
  });

  it("is refused where means do not fit", () => {
    const parameters = { weight: Float32Array.of(1, 2, 3), bias: one(1) };
    const mean = { scale: 1, means: [1, 2], groups: 1 };
    expect(() => mergeInputMean(parameters, mean, "c")).toThrow("the means are not as many");
  });
});

describe("gains", () => {
  it("are the worked examples", () => {
    const [five, ten] = [chipTops.five, chipTops.ten];
    expect(gainOf({ range: 6, top: five }, { range: 3, top: five })).toEqual({
      weight: 2,
      bias: 31 / 3,
    });
    expect(gainOf({ range: 31, top: five }, { range: 93, top: ten })).toEqual({
      weight: 11,
      bias: 11,
    });
  });

  it("are rounded to float32, and so is the product", () => {
    const [gain, value] = [1 / 3, Math.fround(0.1)];
    expect(applyGain(one(value), gain)[0]).toBe(Math.fround(value * Math.fround(gain)));
  });
});

describe("gain editing on the grid", () => {
  const options: GridGainOptions = {
    inputScale: 1,
    parameterBits: 12,
    shiftMax: 13,
    activationBitMode: 0,
    likeMdk: false,
  };
  const layer = { name: "c", weight: one(0.5), bias: one(-0.25), cap: 2.5 };

  it("is the worked example", () => {
    const { layers, scaleFactor, biasRatio } = editGainOnGrid([layer], options);
    expect(layers[0]).toMatchObject({ alpha: 2.5, cap: 31, shift: 5 });
    expect(layers[0]!.weight[0]).toBe(Math.fround(0.5 * Math.fround(248 / 2.5)));
    expect(layers[0]!.bias![0]).toBe(Math.fround(-0.25 * Math.fround(31 / 2.5)));
    expect([scaleFactor, biasRatio]).toEqual([2.5 / 31, 256]);
  });

  it("gives caps as the manual says, and 31 like the kit", () => {
    const capsOf = (more: Partial<GridGainOptions>): number[] =>
      editGainOnGrid([layer, layer], { ...options, ...more }).layers.map(({ cap }) => cap);
    expect(capsOf({})).toEqual([31, 31]);
    expect(capsOf({ activationBitMode: 1 })).toEqual([31, 31.96875]);
    expect(capsOf({ activationBitMode: 2 })).toEqual([1023, 1023]);
    expect(capsOf({ activationBitMode: 2, likeMdk: true })).toEqual([31, 31]);
  });

  it("has no shift below 0 but in the kit, and the largest where all is 0", () => {
    const large = { ...layer, weight: one(200), cap: 1 };
    const shiftsOf = (likeMdk: boolean): number[] =>
      editGainOnGrid([large], { ...options, likeMdk }).layers.map(({ shift }) => shift);
    expect([shiftsOf(false), shiftsOf(true)]).toEqual([[0], [-5]]);
    const zero = { ...layer, weight: one(0), bias: undefined };
    expect(editGainOnGrid([zero], options).layers[0]!.shift).toBe(13);
  });

  it("refuses a cap or an input scale of 0", () => {
    expect(() => editGainOnGrid([{ ...layer, cap: 0 }], options)).toThrow(
      'the activation of "c": the cap of an activation must be above 0: got 0',
    );
    expect(() => editGainOnGrid([layer], { ...options, inputScale: 0 })).toThrow("above 0");
  });
});
