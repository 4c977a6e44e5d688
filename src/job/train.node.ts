/**
 * `inlay train`: a Caffe solver's run, with its log, its snapshots and a report.
 */
import type { TrainReport } from "../report/train.ts";
import { renderTrainHtml } from "../report/train-page.ts";
import { firstNotFinite } from "../train/diagnose.ts";
import { evaluateNetwork } from "../train/evaluate-network.ts";
import { measure } from "../train/measures.ts";
import { runTraining } from "../train/train-loop.ts";
import { type Iteration, openTrainer, type RunState, type Trainer } from "../train/trainer.ts";
import { writeFileAtomic } from "./files.node.ts";
import { located } from "./located.ts";
import type { JobContext } from "./options.ts";
import type { TrainJob } from "./train/jobs.ts";
import { openRun, type Run } from "./train/open-run.node.ts";
import { bestTest } from "./train/run-log.ts";
import { blobsOf, writeSnapshot } from "./train/snapshots.node.ts";
import { openTrainingFeeds, type TrainingFeeds } from "./train/training-feeds.ts";

/**
 * Trains by the solver. Input errors name the file, and where training fails the layer; snapshots that were written
 * before stay.
 */
export function trainJob(job: TrainJob, context: JobContext): Promise<TrainReport> {
  return located([job.solver], () => train(job, context));
}

async function train(job: TrainJob, context: JobContext): Promise<TrainReport> {
  const run = await openRun(job, context);
  const { solver, training, runtime, state, log } = run;
  const { settings } = solver;
  const feeds = openTrainingFeeds(training.fed, training.data, {
    ...{ seed: settings.seed, start: state.iteration * settings.iterSize },
    ...{ keep: 2 * settings.iterSize, onWarning: run.warnings.add },
  });
  try {
    const trainer = await openTrainer(
      training.fed.network,
      { ...settings, limits: job.limits },
      runtime,
      settings.seed,
    );
    try {
      const result = await runTraining(loopOptions(run, feeds, timed(trainer, run)));
      log.end(result.stopped);
      return await finishPage(run, result.state, result.stopped);
    } finally {
      await trainer.release();
    }
  } finally {
    feeds.close();
  }
}

/** The trainer, which counts the time that iterations take. */
function timed(trainer: Trainer, { spent }: Run): Trainer {
  return {
    ...trainer,
    iterate: async (state, feeds) => {
      const began = performance.now();
      const done = await trainer.iterate(state, feeds);
      spent.seconds += (performance.now() - began) / 1000;
      spent.iterations += 1;
      return done;
    },
  };
}

function loopOptions(
  run: Run,
  feeds: TrainingFeeds,
  trainer: Trainer,
): Parameters<typeof runTraining>[0] {
  const { job, context, solver, training, state, log, clock } = run;
  const { settings } = solver;
  const { network } = training.fed;
  const maker = { ...solver, net: training.net, blobs: blobsOf(network) };
  return {
    ...{ settings, trainer, state, clock, feeds: feeds.next, shouldStop: job.shouldStop },
    namesOf: ({ last }: Iteration) => {
      const values = new Map([...(feeds.recent().at(-1) ?? []), ...last.scores]);
      return measure(network, last.losses, values).outputs;
    },
    test: async (now) => {
      await testAll(run, now);
      // What tests give is told by then.
      return undefined;
    },
    onDisplay: log.display,
    onFinalLoss: log.finalLoss,
    onIteration: ({ iteration: done }) =>
      context.onProgress?.({ label: "train", done, total: settings.maxIterations }),
    onSnapshot: async (now) => log.snapshot(now.iteration, await writeSnapshot(maker, now)),
    diagnose: (states) => diagnose(run, feeds, states),
  };
}

async function testAll(run: Run, now: RunState): Promise<void> {
  const { job, context, tests, warnings, runtime, log } = run;
  for (const [net, { fed, data }] of tests.entries()) {
    log.testBegins(now.iteration, net);
    const source = { ...data, batch: data.batchSize };
    const found = await evaluateNetwork(fed, now.values, source, runtime, {
      ...{ label: "test", shouldStop: job.shouldStop },
      ...{ onProgress: context.onProgress, onWarning: warnings.add },
    });
    if (found === undefined) return;
    log.tested(now.iteration, net, found.outputs);
  }
  if (tests.length > 0) await writePage(run, reportOf(run, now, false));
}

/**
 * The first layer whose output or gradient is not finite, with what the last iteration was fed with; where its weights are
 * not finite already, with the iteration before.
 */
async function diagnose(
  { training, solver, runtime }: Run,
  feeds: TrainingFeeds,
  [now, before]: readonly RunState[],
): Promise<string | undefined> {
  const { network } = training.fed;
  const { iterSize } = solver.settings;
  const look = async (state: RunState, from: number, to?: number): Promise<string | undefined> => {
    for (const given of feeds.recent().slice(from, to)) {
      const place = await firstNotFinite(network, runtime, state.values, given);
      if (place !== undefined) return place;
    }
    return undefined;
  };
  if (now === undefined) return undefined;
  const isGood = [...now.values.values()].every(({ data }) => data.every(Number.isFinite));
  const earlier =
    isGood || before === undefined ? undefined : await look(before, -2 * iterSize, -iterSize);
  return earlier ?? (await look(now, -iterSize));
}

function reportOf(run: Run, state: RunState, stopped: boolean): TrainReport {
  const { solver, training, tests, start, spent, context, log, page, records } = run;
  const parts = log.parts();
  const [first] = tests;
  const accuracy = first?.fed.network.accuracies[0];
  const measured = accuracy ?? first?.fed.network.losses[0];
  const models = parts.snapshots.map((path) => path.replace(/solverstate$/, "caffemodel"));
  const written = parts.snapshots.flatMap((path, at) => [models[at] ?? "", path]);
  return {
    schema: "inlay.train/1",
    ...{ solver: solver.path, network: training.net.name ?? "", stopped },
    nets: [...new Set([run.file, ...tests.map(({ file }) => file)])],
    ...{ images: training.data.source, from: start.files },
    ...{ began: run.state.iteration, iterations: state.iteration },
    maxIterations: solver.settings.maxIterations,
    seconds: run.clock(),
    secondsPerIteration: spent.iterations === 0 ? null : spent.seconds / spent.iterations,
    ...parts,
    best: bestTest(parts.tests, measured && { name: measured.name, rises: accuracy !== undefined }),
    files: [records, ...(page === undefined ? [] : [page]), ...written],
    ...{ seed: solver.settings.seed, threads: context.threads, device: context.device },
    warnings: run.warnings.all(),
  };
}

async function writePage({ page }: Run, report: TrainReport): Promise<void> {
  if (page !== undefined) await writeFileAtomic(page, renderTrainHtml(report));
}

async function finishPage(run: Run, state: RunState, stopped: boolean): Promise<TrainReport> {
  const report = reportOf(run, state, stopped);
  await writePage(run, report);
  return report;
}
