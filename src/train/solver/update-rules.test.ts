/** The rules against their textbook forms in float64, over several iterations. */
import { describe, expect, it } from "vitest";
import { createRandom } from "../../tensor/random.ts";
import type { UpdateRule, UpdateSettings } from "./settings.ts";
import { clipScale, historiesOf, stepScalars, updateBlob } from "./update-rules.ts";

const settings: UpdateSettings = {
  rule: "SGD",
  schedule: { policy: "step", base: Math.fround(0.05), gamma: 0.5, stepSize: 3 },
  momentum: Math.fround(0.9),
  momentum2: Math.fround(0.99),
  rmsDecay: Math.fround(0.95),
  delta: Math.fround(1e-6),
  weightDecay: Math.fround(0.01),
  regularization: "L2",
  iterSize: 1,
  clipGradients: undefined,
};

const steps = 8;
const random = createRandom(3);
const gradients = Array.from({ length: steps }, () => random.normal());
const rateOf = (iteration: number): number => 0.05 * 0.5 ** Math.floor(iteration / 3);

/** A weight that starts at 0.5, with its own state; `gradient` is regularized, t counts from 1. */
type Textbook = () => (gradient: number, rate: number, t: number) => number;

const textbook: Readonly<Record<UpdateRule, Textbook>> = {
  SGD: () => {
    let velocity = 0;
    return (g, rate) => {
      velocity = 0.9 * velocity + rate * g;
      return velocity;
    };
  },
  // Sutskever's form moves the look-ahead point: v' = m v + r g, step = m v' + r g.
  Nesterov: () => {
    let velocity = 0;
    return (g, rate) => {
      velocity = 0.9 * velocity + rate * g;
      return 0.9 * velocity + rate * g;
    };
  },
  AdaGrad: () => {
    let sum = 0;
    return (g, rate) => {
      sum += g ** 2;
      return (rate * g) / (Math.sqrt(sum) + 1e-6);
    };
  },
  RMSProp: () => {
    let mean = 0;
    return (g, rate) => {
      mean = 0.95 * mean + 0.05 * g ** 2;
      return (rate * g) / (Math.sqrt(mean) + 1e-6);
    };
  },
  AdaDelta: () => {
    let [squares, moves] = [0, 0];
    return (g, rate) => {
      squares = 0.9 * squares + 0.1 * g ** 2;
      const move = g * (Math.sqrt(moves + 1e-6) / Math.sqrt(squares + 1e-6));
      moves = 0.9 * moves + 0.1 * move ** 2;
      return rate * move;
    };
  },
  Adam: () => {
    let [mean, square] = [0, 0];
    return (g, rate, t) => {
      mean = 0.9 * mean + 0.1 * g;
      square = 0.99 * square + 0.01 * g ** 2;
      // The paper's form with its epsilon hat.
      const corrected = (rate * Math.sqrt(1 - 0.99 ** t)) / (1 - 0.9 ** t);
      return (corrected * mean) / (Math.sqrt(square) + 1e-6);
    };
  },
};

function trained(given: UpdateSettings, lrMult: number, decayMult: number): number {
  let [value, histories] = [
    Float32Array.of(0.5),
    Array.from(
      { length: historiesOf(given) },
      () => new Float32Array(1),
    ) as readonly Float32Array[],
  ];
  for (const [iteration, gradient] of gradients.entries()) {
    const blob = { value, histories, lrMult, decayMult, gradient: Float32Array.of(gradient) };
    const moved = updateBlob(given, iteration, blob);
    value = Float32Array.from(moved.value);
    histories = moved.histories;
  }
  return value[0] ?? Number.NaN;
}

describe.each(Object.entries(textbook))("%s", (name, start) => {
  const rule = name as UpdateRule;

  it.each(["L2", "L1"] as const)("is the textbook's, with %s decay", (regularization) => {
    const step = start();
    let value = 0.5;
    for (const [iteration, gradient] of gradients.entries()) {
      const decay = 0.01 * 3 * (regularization === "L1" ? Math.sign(value) : value);
      value -= step(gradient + decay, 2 * rateOf(iteration), iteration + 1);
    }
    const got = trained({ ...settings, rule, regularization }, 2, 3);
    expect(Math.abs(got - value)).toBeLessThan(2e-6);
  });

  it("takes the mean over the passes of an iteration", () => {
    // Powers of two change no digits.
    const blob = {
      ...{ value: Float32Array.of(0.5), lrMult: 1, decayMult: 1 },
      histories: Array.from({ length: historiesOf({ rule }) }, () => new Float32Array(1)),
    };
    const one = updateBlob({ ...settings, rule }, 0, { ...blob, gradient: Float32Array.of(0.3) });
    const two = updateBlob({ ...settings, rule, iterSize: 2 }, 0, {
      ...blob,
      gradient: Float32Array.of(Math.fround(0.3) * 2),
    });
    expect(two).toEqual(one);
  });
});

describe("stepScalars", () => {
  it("of Adam has the correction", () => {
    const given = { ...settings, rule: "Adam", momentum: 0.5, momentum2: 0.75 } as const;
    expect(stepScalars(given, 0).get("solver/correction")).toBe(1);
    expect([...stepScalars(settings, 0).keys()]).toEqual(["solver/rate"]);
  });
});

describe("clipScale", () => {
  const gradients34 = [Float32Array.of(3), Float32Array.of(0, 4)];

  it.each([
    [undefined, 1],
    [5, 1],
    [2.5, 0.5],
  ])("of a norm of 5 with the limit %s is %f", (clipGradients, scale) => {
    expect(clipScale({ ...settings, clipGradients }, gradients34)).toBe(scale);
  });
});
