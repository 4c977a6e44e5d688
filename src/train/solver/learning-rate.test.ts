import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { currentStep, learningRate } from "./learning-rate.ts";
import type { RateSchedule } from "./rate-schedule.ts";

const multistep = (...steps: readonly number[]): RateSchedule => ({
  ...{ policy: "multistep", base: 1, gamma: 0.5, steps },
});

describe("learningRate", () => {
  it.each<[RateSchedule, number, number]>([
    [{ policy: "fixed", base: 0.5 }, 1000, 0.5],
    [{ policy: "step", base: 1, gamma: 0.5, stepSize: 10 }, 9, 1],
    [{ policy: "step", base: 1, gamma: 0.5, stepSize: 10 }, 20, 0.25],
    [{ policy: "exp", base: 2, gamma: 0.5 }, 3, 0.25],
    [{ policy: "inv", base: 1, gamma: 3, power: 0.5 }, 1, 0.5],
    [multistep(5, 12), 4, 1],
    [multistep(5, 12), 5, 0.5],
    [multistep(5, 12), 12, 0.25],
    [{ policy: "poly", base: 4, power: 2, maxIterations: 10 }, 5, 1],
    [{ policy: "poly", base: 4, power: 2, maxIterations: 10 }, 10, 0],
    [{ policy: "sigmoid", base: 2, gamma: 0.1, stepSize: 7 }, 7, 1],
  ])("%o at iteration %i is %f", (schedule, iteration, rate) => {
    expect(learningRate(schedule, iteration)).toBe(rate);
  });

  it("is a float32", () => {
    const schedule: RateSchedule = {
      policy: "exp",
      base: Math.fround(0.1),
      gamma: Math.fround(0.99),
    };
    fc.assert(
      fc.property(fc.nat(10_000), (iteration) => {
        const rate = learningRate(schedule, iteration);
        expect(rate).toBe(Math.fround(rate));
      }),
    );
  });
});

describe("currentStep", () => {
  /** Caffe's loop: at most one step per iteration. */
  const walked = (steps: readonly number[], iteration: number): number => {
    let current = 0;
    for (let at = 0; at <= iteration; at += 1) {
      if (current < steps.length && at >= (steps[current] ?? 0)) current += 1;
    }
    return current;
  };

  it("of a multistep is what iterating from 0 gives, in any order of the steps", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 6 }), fc.nat(50), (steps, iteration) => {
        expect(currentStep(multistep(...steps), iteration)).toBe(walked(steps, iteration));
      }),
    );
  });
});
