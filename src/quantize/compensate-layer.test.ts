import { describe, expect, it } from "vitest";
import { roundByHalf } from "../fixed/layer-shift.ts";
import { createRandom } from "../tensor/random.ts";
import type { Nchw } from "../tensor/shape.ts";
import { type Tensor, tensor } from "../tensor/tensor.ts";
import { compensatedLevels } from "./compensate-layer.ts";

const side = 8;
const window = { stride: [1, 1], pads: [0, 0, 0, 0], dilation: [1, 1] } as const;

/** Pictures whose channels go together in pairs: 0 with 1, 2 with 3, ... */
function drawnInputs(channels: number, seed: number): readonly Tensor[] {
  const random = createRandom(seed);
  return Array.from({ length: 4 }, () => {
    const data = new Uint8Array(channels * side * side);
    for (let at = 0; at < data.length; at += 1) {
      const isSecond = Math.floor(at / side / side) % 2 === 1;
      const base = isSecond ? (data[at - side * side] ?? 0) : random.below(30);
      data[at] = base + random.below(2);
    }
    return tensor("uint8", [1, channels, side, side], data);
  });
}

const pixels = Array.from({ length: 4 }, (_, picture) => {
  const random = createRandom(picture);
  return Int32Array.from({ length: 300 }, () => random.below(side * side));
});

function weights(shape: Nchw, seed: number): Float64Array {
  const random = createRandom(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return Float64Array.from({ length: count }, () => 5 * random.normal());
}

/** The variance of `sum (w - q) x` over all pixels of 1x1 kernels, all rows together. */
function errorOf(
  exact: Float64Array,
  levels: Float64Array,
  channels: number,
  values: readonly Tensor[],
): number {
  let total = 0;
  for (let row = 0; row < exact.length; row += channels) {
    const sums = values.flatMap(({ data }) =>
      Array.from({ length: side * side }, (_, pixel) => {
        let sum = 0;
        for (let channel = 0; channel < channels; channel += 1) {
          const at = row + channel;
          const x = Number(data[channel * side * side + pixel]);
          sum += ((exact[at] ?? 0) - (levels[at] ?? 0)) * x;
        }
        return sum;
      }),
    );
    const mean = sums.reduce((a, b) => a + b, 0) / sums.length;
    total += sums.reduce((a, b) => a + (b - mean) ** 2, 0) / sums.length;
  }
  return total;
}

describe("compensatedLevels", () => {
  it("come closer to the layer's sums than the nearest integers", () => {
    const [shape, values] = [[8, 6, 1, 1] as const, drawnInputs(6, 1)];
    const exact = weights(shape, 2);
    const inputs = { values, pixels, width: side };
    const levels = compensatedLevels(exact, shape, { ...window, groups: 1 }, inputs, 127);
    expect([...levels].every(Number.isInteger)).toBe(true);
    // Two taps that read nearly the same lose what one does.
    expect(errorOf(exact, levels, 6, values)).toBeLessThan(
      0.6 * errorOf(exact, exact.map(roundByHalf), 6, values),
    );
  });

  it("takes each group by itself, with what it reads", () => {
    const [shape, values] = [[4, 2, 3, 3] as const, drawnInputs(4, 3)];
    const exact = weights(shape, 4);
    const inputs = { values, pixels: pixels.map((some) => some.map((at) => at % 36)), width: 6 };
    const whole = compensatedLevels(exact, shape, { ...window, groups: 2 }, inputs, 127);
    for (const group of [0, 1]) {
      const half = values.map(({ data }) =>
        tensor(
          "uint8",
          [1, 2, side, side],
          (data as Uint8Array).slice(group * 128, group * 128 + 128),
        ),
      );
      const part = exact.slice(group * 36, (group + 1) * 36);
      const alone = compensatedLevels(
        part,
        [2, 2, 3, 3],
        { ...window, groups: 1 },
        { ...inputs, values: half },
        127,
      );
      expect(whole.slice(group * 36, (group + 1) * 36)).toEqual(alone);
    }
  });

  it("takes wide layers in blocks of channels", () => {
    const channels = 1100;
    const values = drawnInputs(channels, 5);
    const exact = weights([1, channels, 1, 1], 6);
    const few = pixels.map((some) => some.subarray(0, 20));
    const inputs = { values, pixels: few, width: side };
    const wide = { ...window, groups: 1 };
    const whole = compensatedLevels(exact, [1, channels, 1, 1], wide, inputs, 127);
    const first = values.map(({ data }) =>
      tensor("uint8", [1, 1024, side, side], (data as Uint8Array).slice(0, 1024 * side * side)),
    );
    const alone = compensatedLevels(
      exact.slice(0, 1024),
      [1, 1024, 1, 1],
      wide,
      { ...inputs, values: first },
      127,
    );
    expect(whole.slice(0, 1024)).toEqual(alone);
    expect([...whole].every(Number.isInteger)).toBe(true);
  });
});
