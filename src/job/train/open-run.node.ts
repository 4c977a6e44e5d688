/**
 * Opens all that a solver's run works with: networks with their pictures, where it begins, and its log.
 */
import { pid } from "node:process";
import { nodeRuntime } from "../../engine/runtime.node.ts";
import type { Runtime } from "../../engine/runtime.ts";
import { usageError } from "../../error.ts";
import type { NamedBytes } from "../../formats/caffe/files.ts";
import type { RunState } from "../../train/trainer.ts";
import type { JobContext } from "../options.ts";
import { type WarningLog, warningLog } from "../pictures.node.ts";
import { glogPrefix } from "./caffe-log.ts";
import { findFile } from "./find-file.node.ts";
import type { TrainJob } from "./jobs.ts";
import { type OpenNetwork, openNetwork } from "./open-network.node.ts";
import { createRunLog, type RunLog } from "./run-log.ts";
import { openRecords } from "./run-records.node.ts";
import { beginning, newestSnapshot, openSnapshot } from "./snapshots.node.ts";
import { readNetSource, readSolverFile, readWeights, type SolverFile } from "./solver-file.node.ts";

/** A test network, with as many batches as a test takes. */
type TestNetwork = OpenNetwork & { readonly file: string };

/** Everything that a run works with. */
export type Run = {
  readonly job: TrainJob;
  readonly context: JobContext;
  readonly warnings: WarningLog;
  readonly solver: SolverFile;
  readonly start: Start;
  readonly file: string;
  readonly training: OpenNetwork;
  readonly tests: readonly TestNetwork[];
  readonly state: RunState;
  readonly runtime: Runtime;
  readonly log: RunLog;
  /** Seconds since the run began, and those spent in iterations. */
  readonly clock: () => number;
  readonly spent: { seconds: number; iterations: number };
  /** The page's and the records' paths. */
  readonly page: string | undefined;
  readonly records: string;
};

/** Where a run begins. */
type Start = {
  readonly caffemodel: NamedBytes | undefined;
  readonly solverstate: NamedBytes | undefined;
  readonly files: readonly string[];
  readonly lines: readonly string[];
};

/** Opens the files. What is wrong with them is thrown before anything is written. */
export async function openRun(job: TrainJob, context: JobContext): Promise<Run> {
  const warnings = warningLog(context);
  const began = performance.now();
  const clock = (): number => (performance.now() - began) / 1000;
  const solver = await readSolverFile(job.solver, job.folder, context.seed, warnings.add);
  const start = await startOf(job, solver, warnings);
  const prototxt = await readNetSource(solver.settings.nets.train.source, solver.path, job.folder);
  const training = await openNetwork(prototxt, {
    ...{ phase: "TRAIN", state: stageState(solver.settings.nets.train.state, job) },
    ...{ folder: job.folder, seed: solver.settings.seed, caffemodel: start.caffemodel },
    augmented: true,
    ...{ ignoreShapeMismatch: job.ignoreShapeMismatch, onWarning: warnings.add },
  });
  const state = beginning(training.fed.network, solver.settings, start.solverstate);
  const tests = await openTests(job, solver, training, warnings);
  const records = `${solver.prefix}.jsonl`;
  const resumed = start.solverstate !== undefined;
  const { add, earlier } = await openRecords(records, state.iteration, resumed);
  const log = createRunLog({
    ...{ onRecord: add, earlier, clock },
    weights: new Map(
      [training, ...tests].flatMap(({ fed }) =>
        fed.network.losses.map(({ name, weight }) => [name, weight] as const),
      ),
    ),
    onLines: (lines) => {
      const prefix = glogPrefix(new Date(), pid);
      for (const line of lines) job.onLine?.(prefix + line);
    },
  });
  const { iteration } = state;
  log.start(
    { type: "start", iteration, solver: solver.path, seed: solver.settings.seed },
    {
      network: training.net.name ?? "",
      policy: solver.settings.schedule.policy,
      from: start.lines,
    },
  );
  return {
    ...{ job, context, warnings, solver, start, training, tests, state, log, clock, records },
    file: prototxt.name,
    runtime: await nodeRuntime(context),
    spent: { seconds: 0, iterations: 0 },
    page: job.report === false ? undefined : (job.report ?? `${solver.prefix}.html`),
  };
}

async function startOf(job: TrainJob, solver: SolverFile, warnings: WarningLog): Promise<Start> {
  if (job.snapshot !== undefined && job.weights !== undefined) {
    throw usageError("give a snapshot to go on from, or weights to begin with, not both");
  }
  const snapshot =
    job.snapshot ?? (job.resume === true ? newestSnapshot(solver.prefix) : undefined);
  if (snapshot !== undefined) {
    const { solverstate, caffemodel: path } = await openSnapshot(snapshot, job.folder);
    const caffemodel = await readWeights([path]);
    const lines = [`Resuming from ${snapshot}`];
    return { caffemodel, solverstate, files: [snapshot, path], lines };
  }
  if (job.resume === true) {
    const message = "there is no snapshot to go on from: training begins anew";
    warnings.add({ id: "no-snapshot", message, where: solver.prefix });
  }
  const files =
    job.weights ??
    solver.settings.weights.map((path) => findFile(path, job.folder, solver.path, "weights"));
  const lines = files.map((path) => `Finetuning from ${path}`);
  return { caffemodel: await readWeights(files), solverstate: undefined, files, lines };
}

type NetStage = SolverFile["settings"]["nets"]["train"]["state"];

/** What chooses layers: the solver's word, and the caller's. */
function stageState({ level, stages }: NetStage, job: TrainJob): NetStage {
  return { level: job.level ?? level, stages: [...stages, ...(job.stages ?? [])] };
}

async function openTests(
  job: TrainJob,
  solver: SolverFile,
  { net }: OpenNetwork,
  warnings: WarningLog,
): Promise<readonly TestNetwork[]> {
  const { settings, path } = solver;
  if (settings.testInterval === 0) return [];
  const weighted = new Set(net.layer.map(({ name = "" }) => name));
  const opened: TestNetwork[] = [];
  for (const { source, state, iterations } of settings.nets.tests) {
    const prototxt = await readNetSource(source, path, job.folder);
    const network = await openNetwork(prototxt, {
      ...{ phase: "TEST", state: stageState(state, job), folder: job.folder },
      ...{ seed: settings.seed, batches: iterations, weighted },
      // Its weights are those in training: where it would begin without does not matter.
      onWarning: (warning) => warning.id !== "zero-weights" && warnings.add(warning),
    });
    opened.push({ ...network, file: prototxt.name });
  }
  return opened;
}
