import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../../tensor/random.ts";
import { float32 } from "../../../tensor/tensor.ts";
import { editGain } from "./gain.ts";
import { activationGrid, levelsPerUnit, pictureUnits, unitOf } from "./units.ts";

describe("editGain", () => {
  it("takes the caps of both sides out of the weights", () => {
    const layer = { weight: float32([1, 1, 1, 1], [0.5]), bias: Float32Array.of(0.2) };
    const gain = { inputUnits: [6 / 31], inputOffsets: [0], outputUnit: 3 / 31, groups: 1 };
    const edited = editGain(layer, gain);
    expect(edited.weight.data[0]).toBeCloseTo(1, 6);
    expect(edited.bias[0]).toBeCloseTo((0.2 * 31) / 3, 5);
  });

  it("adds an input's offset by the weights as they are rounded", () => {
    const layer = { weight: float32([1, 2, 1, 1], [0.9, -0.1]), bias: Float32Array.of(1) };
    const gain = { inputUnits: [2, 4], inputOffsets: [-10, 5], outputUnit: 0.5, groups: 1 };
    const rounded = (weight: Float32Array): Float32Array => weight.map((w) => Math.sign(w) * 2);
    const edited = editGain(layer, { ...gain, rounded });
    expect(edited.weight.data).toEqual(Float32Array.of(0.9 * 4, -0.1 * 8));
    // In real units the rounded weights are 2 * 0.5 / 2 and -2 * 0.5 / 4.
    expect(edited.bias[0]).toBeCloseTo((1 + 0.5 * -10 - 0.25 * 5) / 0.5, 5);
  });

  it("keeps the function where nothing is padded: real = unit * chip", () => {
    const sizes = fc.record({
      groups: fc.constantFrom(1, 2),
      inputs: fc.integer({ min: 1, max: 3 }),
      outputs: fc.integer({ min: 1, max: 3 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(sizes, ({ groups, inputs, outputs, seed }) => {
        const random = createRandom(seed);
        const draw = (count: number) => Float32Array.from({ length: count }, random.normal);
        const [out, taps] = [outputs * groups, inputs * 4];
        const weight = float32([out, inputs, 2, 2], draw(out * taps));
        const bias = draw(out);
        const inputUnits = Array.from({ length: inputs * groups }, () => random.unit() + 0.1);
        const inputOffsets = inputUnits.map(() => random.normal());
        const outputUnit = random.unit() + 0.1;
        const edited = editGain({ weight, bias }, { inputUnits, inputOffsets, outputUnit, groups });
        const levels = draw(inputs * groups * 4);
        for (let output = 0; output < out; output += 1) {
          let [real, chip] = [bias[output]!, edited.bias[output]!];
          const first = Math.floor(output / outputs) * inputs;
          for (let at = 0; at < taps; at += 1) {
            const channel = first + Math.floor(at / 4);
            const level = levels[channel * 4 + (at % 4)]!;
            const value = level * inputUnits[channel]! + inputOffsets[channel]!;
            real += weight.data[output * taps + at]! * value;
            chip += edited.weight.data[output * taps + at]! * level;
          }
          expect(chip * outputUnit).toBeCloseTo(real, 3);
        }
      }),
      { numRuns: 50 },
    );
  });
});

describe("units", () => {
  it("of an activation are cap / 31, cap / 1023, and for ten bits behind five cap / 31.96875", () => {
    const grids = [activationGrid(6.2, 0, true), activationGrid(6.2, 2, false)] as const;
    expect(grids.map(unitOf)).toEqual([6.2 / 31, 6.2 / 1023]);
    const last = activationGrid(6.2, 1, true);
    expect(last).toMatchObject({ bits: 10, chipCap: 31.96875 });
    expect(levelsPerUnit(last)).toBe(32);
    expect(activationGrid(6.2, 1, false)).toMatchObject({ bits: 5, chipCap: 31 });
  });

  it("of a picture are 8 grey levels a step, not 255 / 31", () => {
    const scaling = { mean: [127.5, 100], scale: 2, std: [1, 4] };
    expect(pictureUnits({ from: 8, to: 5 }, scaling)).toEqual({
      step: [16, 4],
      offset: [-255, -50],
    });
  });
});
