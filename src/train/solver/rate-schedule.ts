/**
 * Learning-rate policies and the numbers that each needs, as the solver's prototxt gives them. Their formulas are in
 * learning-rate.ts.
 */
import { inputError } from "../../error.ts";
import { atLeastZero, count, needed, type SolverParameter } from "./checks.ts";

/** Caffe's `lr_policy`. Numbers are float32 but counts of iterations. */
export type RateSchedule = { readonly base: number } & (
  | { readonly policy: "fixed" }
  | { readonly policy: "step"; readonly gamma: number; readonly stepSize: number }
  | { readonly policy: "exp"; readonly gamma: number }
  | { readonly policy: "inv"; readonly gamma: number; readonly power: number }
  | { readonly policy: "multistep"; readonly gamma: number; readonly steps: readonly number[] }
  | { readonly policy: "poly"; readonly power: number; readonly maxIterations: number }
  | { readonly policy: "sigmoid"; readonly gamma: number; readonly stepSize: number }
);

/** Gives the values of keys, and errors that name policy and key. */
type Keys = {
  readonly gamma: () => number;
  readonly anyGamma: () => number;
  readonly power: () => number;
  readonly stepSize: () => number;
  readonly steps: () => readonly number[];
  readonly maxIterations: number;
};

const policies: Readonly<Record<string, (keys: Keys, base: number) => RateSchedule>> = {
  fixed: (_, base) => ({ policy: "fixed", base }),
  step: ({ gamma, stepSize }, base) => ({
    ...{ policy: "step", base, gamma: gamma(), stepSize: stepSize() },
  }),
  exp: ({ gamma }, base) => ({ policy: "exp", base, gamma: gamma() }),
  inv: ({ gamma, power }, base) => ({ policy: "inv", base, gamma: gamma(), power: power() }),
  multistep: ({ gamma, steps }, base) => ({
    ...{ policy: "multistep", base, gamma: gamma(), steps: steps() },
  }),
  poly: ({ power, maxIterations }, base) => ({
    ...{ policy: "poly", base, power: power(), maxIterations },
  }),
  sigmoid: ({ anyGamma, stepSize }, base) => ({
    ...{ policy: "sigmoid", base, gamma: anyGamma(), stepSize: stepSize() },
  }),
};

/** The schedule of a solver. Throws an input error where the policy is unknown or lacks a key. */
export function readRateSchedule(
  solver: SolverParameter,
  file: string,
  maxIterations: number,
): RateSchedule {
  const base = atLeastZero(needed(solver.base_lr, "base_lr", file, "the solver"), "base_lr", file);
  const policy = needed(solver.lr_policy, "lr_policy", file, "the solver");
  const read = Object.hasOwn(policies, policy) ? policies[policy] : undefined;
  if (read !== undefined) return read(keysOf(solver, policy, file, maxIterations), base);
  throw inputError("no such learning-rate policy", {
    where: file,
    node: "lr_policy",
    expected: `one of ${Object.keys(policies).join(", ")}`,
    got: `"${policy}"`,
  });
}

function keysOf(
  solver: SolverParameter,
  policy: string,
  file: string,
  maxIterations: number,
): Keys {
  const reader = `lr_policy "${policy}"`;
  // A sigmoid that falls has a gamma below 0.
  const anyGamma = (): number => needed(solver.gamma, "gamma", file, reader);
  return {
    anyGamma,
    gamma: () => atLeastZero(anyGamma(), "gamma", file),
    power: () => needed(solver.power, "power", file, reader),
    stepSize: () => {
      const size = needed(solver.stepsize, "stepsize", file, reader);
      return policy === "step" ? count(size, "stepsize", file, 1) : size;
    },
    steps: () => readSteps(solver, file, reader),
    maxIterations,
  };
}

function readSteps(solver: SolverParameter, file: string, reader: string): readonly number[] {
  const steps = solver.stepvalue;
  needed(steps[0], "stepvalue", file, reader);
  return steps.map((step) => count(step, "stepvalue", file));
}
