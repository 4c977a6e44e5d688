/**
 * The learning rate of an iteration as Caffe computes it: operands and result are float32, powers and exponentials
 * double between.
 */
import type { RateSchedule } from "./rate-schedule.ts";

const float = Math.fround;

/** The float32 rate of iteration 0, 1, .... A function of the iteration alone, so that resumed runs have it too. */
export function learningRate(schedule: RateSchedule, iteration: number): number {
  return float(schedule.base * factor(schedule, iteration));
}

function factor(schedule: RateSchedule, iteration: number): number {
  switch (schedule.policy) {
    case "fixed":
      return 1;
    case "step":
    case "multistep":
      return schedule.gamma ** currentStep(schedule, iteration);
    case "exp":
      return schedule.gamma ** iteration;
    case "inv":
      return float(1 + float(schedule.gamma * float(iteration))) ** -schedule.power;
    case "poly": {
      const { maxIterations, power } = schedule;
      return float(1 - float(float(iteration) / float(maxIterations))) ** power;
    }
    case "sigmoid": {
      const { gamma, stepSize } = schedule;
      const distance = float(float(iteration) - float(stepSize));
      return 1 / (1 + Math.exp(float(-gamma * distance)));
    }
  }
}

/**
 * How often the rate has fallen up to and including this iteration: Caffe's `current_step`. Where steps coincide or are
 * not in order, it falls once per iteration, as in Caffe.
 */
export function currentStep(schedule: RateSchedule, iteration: number): number {
  if (schedule.policy === "step") return Math.floor(iteration / schedule.stepSize);
  if (schedule.policy !== "multistep") return 0;
  let last = -1;
  const falls = schedule.steps.map((step) => {
    last = Math.max(step, last + 1);
    return last;
  });
  return falls.filter((fall) => fall <= iteration).length;
}
