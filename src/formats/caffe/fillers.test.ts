import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Filler, fillBlob, fillFixed } from "./fillers.ts";

const moments = (values: Float32Array): { readonly mean: number; readonly std: number } => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const square = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  return { mean, std: Math.sqrt(square) };
};

/** 36,000 values: fan_in 180, fan_out 1800. */
const shape = [200, 20, 3, 3];
/** Five deviations of a sample's mean and standard deviation, the latter of a normal or narrower distribution. */
const slack = 5 / Math.sqrt(36_000);

const drawn = (filler: Filler, key: string = "conv/0", seed: number = 1): Float32Array =>
  fillBlob(filler, shape, seed, key);

describe("fillBlob", () => {
  it.each<[string, Filler, number, number]>([
    ["gaussian", { type: "gaussian", mean: 1, std: 0.5 }, 1, 0.5],
    ["uniform", { type: "uniform", min: -1, max: 3 }, 1, 4 / Math.sqrt(12)],
    ["xavier", { type: "xavier" }, 0, Math.sqrt(1 / 180)],
    ["xavier", { type: "xavier", variance_norm: "FAN_OUT" }, 0, Math.sqrt(1 / 1800)],
    ["xavier", { type: "xavier", variance_norm: "AVERAGE" }, 0, Math.sqrt(1 / 990)],
    ["msra", { type: "msra" }, 0, Math.sqrt(2 / 180)],
    ["msra", { type: "msra", variance_norm: "FAN_OUT" }, 0, Math.sqrt(2 / 1800)],
  ])("%s %o has its mean and deviation", (_, filler, mean, std) => {
    const found = moments(drawn(filler));
    expect(Math.abs(found.mean - mean)).toBeLessThan(slack * std);
    expect(Math.abs(found.std - std)).toBeLessThan(slack * std);
  });

  it("of a vector takes the count for fan_out", () => {
    const filler: Filler = { type: "xavier", variance_norm: "FAN_OUT" };
    const values = fillBlob(filler, [1000], 1, "x");
    const bound = Math.sqrt(3 / 1000);
    expect(values.every((value) => Math.abs(value) <= Math.fround(bound))).toBe(true);
    expect(Math.max(...values)).toBeGreaterThan(0.9 * bound);
  });

  it("uniform and xavier stay in their interval", () => {
    expect(drawn({ type: "uniform", min: -1, max: 3 }).every((v) => v >= -1 && v <= 3)).toBe(true);
    const bound = Math.fround(Math.sqrt(3 / 180));
    expect(drawn({ type: "xavier" }).every((v) => Math.abs(v) <= bound)).toBe(true);
  });

  it("a sparse gaussian keeps sparse / shape[0] of its values", () => {
    const values = drawn({ type: "gaussian", std: 1, sparse: 50 });
    const share = values.filter((value) => value !== 0).length / values.length;
    expect(Math.abs(share - 50 / 200)).toBeLessThan(slack);
  });

  it("a positive unit ball sums to 1 in every row", () => {
    const values = drawn({ type: "positive_unitball" });
    for (let row = 0; row < 200; row += 1) {
      const part = values.subarray(row * 180, row * 180 + 180);
      expect(part.every((value) => value >= 0)).toBe(true);
      expect(part.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
    }
  });

  it("depends on seed and key, and on nothing else", () => {
    const filler: Filler = { type: "gaussian", std: 1 };
    expect(drawn(filler)).toEqual(drawn(filler));
    expect(drawn(filler, "conv/0", 2)).not.toEqual(drawn(filler));
    expect(drawn(filler, "conv/1")).not.toEqual(drawn(filler));
  });

  it("gives what fixed fillers give, whatever the seed", () => {
    const filler: Filler = { type: "constant_array", value_array: [1, 2] };
    fc.assert(
      fc.property(fc.nat(), fc.nat(20), (seed, half) => {
        expect(fillBlob(filler, [half, 2], seed, "x")).toEqual(fillFixed(filler, [half, 2], "x"));
      }),
    );
    expect(fillBlob({}, [2], 1, "x")).toEqual(Float32Array.of(0, 0));
  });

  it.each<[Filler, string]>([
    [{ type: "gausian" }, "one of constant, constant_array"],
    [{ type: "toString" }, "no such filler"],
    [{ type: "uniform", min: 1, max: 0 }, "min is above its max"],
    [{ type: "gaussian", std: 0 }, "std must be above 0"],
    [{ type: "gaussian", std: 1, sparse: 201 }, "mean number of inputs"],
    [{ type: "xavier", sparse: 3 }, "only the gaussian"],
    [{ type: "constant_array" }, "value_array must fill"],
    [{ type: "xavier", value_array: [1] }, "of type constant_array"],
  ])("refuses %o", (filler, message) => {
    expect(() => drawn(filler)).toThrow(message);
  });
});
