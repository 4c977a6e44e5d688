/**
 * The loop of a training run, with Caffe's order of things: test, iterate, display, snapshot. What it finds goes to
 * events; it writes nothing itself.
 */
import { inputError } from "../error.ts";
import { learningRate } from "./solver/learning-rate.ts";
import type { SolverSettings } from "./solver/settings.ts";
import type { Iteration, PassFeeds, RunState, Trainer } from "./trainer.ts";

/** A loss or a measure by its name; `weight` is given for losses. */
export type NamedValue = {
  readonly name: string;
  readonly value: number;
  readonly weight?: number;
};

export type Displayed = {
  /** The iteration just done, from 0, as Caffe counts. */
  readonly iteration: number;
  /** Mean loss of the last `average_loss` iterations. */
  readonly loss: number;
  readonly outputs: readonly NamedValue[];
  readonly rate: number;
  /** Iterations and seconds since the last display. */
  readonly iterations: number;
  readonly seconds: number;
};

type Tested = { readonly iteration: number; readonly outputs: readonly NamedValue[] };

/** What the loop asks of a solver. */
type LoopSettings = Pick<
  SolverSettings,
  | "schedule"
  | "maxIterations"
  | "testInterval"
  | "testInitialization"
  | "display"
  | "averageLoss"
  | "snapshot"
  | "snapshotAfterTrain"
>;

type LoopEvents = {
  readonly onDisplay?: ((shown: Displayed) => void) | undefined;
  readonly onTest?: ((tested: Tested, state: RunState) => void | Promise<void>) | undefined;
  /** The loss after the last iteration, where one is displayed then. */
  readonly onFinalLoss?: ((iteration: number, loss: number) => void) | undefined;
  readonly onIteration?: ((state: RunState) => void) | undefined;
  /** Writes the state; awaited. */
  readonly onSnapshot?: ((state: RunState) => Promise<void>) | undefined;
};

export type LoopOptions = LoopEvents & {
  readonly settings: LoopSettings;
  readonly trainer: Trainer;
  readonly feeds: PassFeeds;
  readonly state: RunState;
  readonly namesOf: (iteration: Iteration) => readonly NamedValue[];
  /** Gives undefined where it was stopped. */
  readonly test?: ((state: RunState) => Promise<readonly NamedValue[] | undefined>) | undefined;
  /** Asked between iterations: true ends the run after a snapshot. */
  readonly shouldStop?: (() => boolean) | undefined;
  /** Names what is not finite, when a loss is not: with the state before the iteration, and before the one before. */
  readonly diagnose?: ((states: readonly RunState[]) => Promise<string | undefined>) | undefined;
  /** Seconds since some start. */
  readonly clock: () => number;
};

export type LoopResult = { readonly state: RunState; readonly stopped: boolean };

/**
 * Trains until `maxIterations`, or until asked to stop. Throws an input error naming the first layer whose output or gradient
 * is not finite where a loss is not; snapshots written before stay as they are.
 */
export async function runTraining(options: LoopOptions): Promise<LoopResult> {
  const { settings, trainer, feeds } = options;
  const { maxIterations, snapshot } = settings;
  let { state } = options;
  const began = state.iteration;
  const meter = lossMeter(options);
  const save = snapshotWriter(options);
  const testAt = async (): Promise<void> => {
    const outputs = await options.test?.(state);
    if (outputs === undefined) return;
    await options.onTest?.({ iteration: state.iteration, outputs }, state);
  };
  let before = state;
  while (state.iteration < maxIterations) {
    if (isTestDue(settings, state.iteration, began)) await testAt();
    if (options.shouldStop?.() === true) {
      await save(state, before);
      return { state, stopped: true };
    }
    const done = await trainer.iterate(state, feeds);
    if (!Number.isFinite(done.total)) {
      throw await notFinite(options, done.losses.join(", "), [state, before]);
    }
    meter.add(state.iteration, done);
    before = state;
    state = done.state;
    options.onIteration?.(state);
    if (snapshot > 0 && state.iteration % snapshot === 0) await save(state, before);
  }
  if (settings.snapshotAfterTrain) await save(state, before);
  await meter.finish(state);
  if (isTestDue(settings, state.iteration, Number.NaN)) await testAt();
  return { state, stopped: false };
}

/**
 * Writes each state once. What a run begins with is written already, or the beginning itself. Throws in place of writing
 * values that are not finite.
 */
function snapshotWriter(options: LoopOptions): (now: RunState, before: RunState) => Promise<void> {
  let written = options.state.iteration;
  return async (now, before) => {
    if (written === now.iteration) return;
    const bad = [...now.values].find(([, { data }]) => !data.every(Number.isFinite));
    if (bad !== undefined) throw await notFinite(options, `values of blob "${bad[0]}"`, [before]);
    await options.onSnapshot?.(now);
    written = now.iteration;
  };
}

type LossMeter = {
  readonly add: (iteration: number, done: Iteration) => void;
  readonly finish: (state: RunState) => Promise<void>;
};

/** The mean loss of the last iterations, and when it is displayed. */
function lossMeter(options: LoopOptions): LossMeter {
  const { settings, clock } = options;
  const { averageLoss, schedule, display } = settings;
  const recent: number[] = [];
  const mean = (total: number): number => {
    recent.push(total);
    if (recent.length > averageLoss) recent.shift();
    return recent.reduce((sum, loss) => sum + loss, 0) / recent.length;
  };
  const isShown = (iteration: number): boolean => display > 0 && iteration % display === 0;
  let [shownAt, shownIteration] = [clock(), options.state.iteration];
  return {
    add: (iteration, done) => {
      const loss = mean(done.total);
      if (!isShown(iteration)) return;
      const now = clock();
      options.onDisplay?.({
        ...{ iteration, loss, outputs: options.namesOf(done) },
        rate: learningRate(schedule, iteration),
        iterations: iteration - shownIteration,
        seconds: now - shownAt,
      });
      [shownAt, shownIteration] = [now, iteration];
    },
    finish: async (state) => {
      if (options.onFinalLoss === undefined || !isShown(state.iteration)) return;
      // As Caffe does: the loss of the final weights, on the batch that would come next.
      const { total } = await options.trainer.iterate(state, options.feeds);
      options.onFinalLoss(state.iteration, mean(total));
    },
  };
}

/** At the first iteration of a run only where `test_initialization` says so. */
function isTestDue(settings: LoopSettings, iteration: number, began: number): boolean {
  const { testInterval, testInitialization } = settings;
  if (testInterval <= 0 || iteration % testInterval !== 0) return false;
  return iteration !== began || iteration > 0 || testInitialization;
}

async function notFinite(
  { diagnose }: LoopOptions,
  got: string,
  states: readonly RunState[],
): Promise<Error> {
  return inputError("training leaves the range of finite numbers and stops", {
    where: `iteration ${states[0]?.iteration ?? 0}`,
    node: await diagnose?.(states),
    got,
    hint: "Lower base_lr, clip gradients (clip_gradients: 10), or check the pictures; snapshots written before are good",
  });
}
