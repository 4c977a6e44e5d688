/**
 * What a solver's prototxt says, checked and with Caffe's defaults: a plain record that the other parts of training
 * read. Which networks it trains and tests is in nets.ts.
 */
import { inputError } from "../../error.ts";
import { setting } from "../../formats/caffe/schema/schema.ts";
import type { OnWarning } from "../../notice.ts";
import { atLeastZero, count, needed, type SolverParameter } from "./checks.ts";
import { readSolverNets, type SolverNets } from "./nets.ts";
import { type RateSchedule, readRateSchedule } from "./rate-schedule.ts";
import { warnUnused } from "./unused-keys.ts";

/** The rule that turns a gradient into a step. */
export type UpdateRule = "SGD" | "Nesterov" | "AdaGrad" | "RMSProp" | "AdaDelta" | "Adam";

/** What layers are brought back to after each update. Ours, not Caffe's. */
export type LayerLimits = {
  /** Biases stay within plus or minus the largest magnitude of their layer's weights. */
  readonly clipBias: boolean;
  /** Largest L2 norm of the weights of one output channel. */
  readonly maxNorm?: number | undefined;
};

/** What the update of one iteration depends on. Numbers are float32, as Caffe holds them. */
export type UpdateSettings = {
  readonly rule: UpdateRule;
  readonly schedule: RateSchedule;
  /** SGD's and Nesterov's momentum, Adam's first rate of decay, AdaDelta's only one. */
  readonly momentum: number;
  /** Adam's second rate of decay. */
  readonly momentum2: number;
  readonly rmsDecay: number;
  /** Keeps quotients finite. */
  readonly delta: number;
  readonly weightDecay: number;
  readonly regularization: "L2" | "L1";
  /** Passes per iteration, whose gradients are averaged. */
  readonly iterSize: number;
  /** Largest L2 norm of all gradients together; undefined where they are not clipped. */
  readonly clipGradients: number | undefined;
  readonly limits?: LayerLimits | undefined;
};

export type SolverSettings = UpdateSettings & {
  readonly nets: SolverNets;
  readonly maxIterations: number;
  /** Iterations between two tests; 0: none. */
  readonly testInterval: number;
  /** Whether to test before the first iteration, too. */
  readonly testInitialization: boolean;
  /** Iterations between two lines of the log; 0: none. */
  readonly display: number;
  /** Iterations whose mean loss is logged. */
  readonly averageLoss: number;
  /** Iterations between two snapshots; 0: none. */
  readonly snapshot: number;
  /** Path that a snapshot's names begin with: `<prefix>_iter_<n>.caffemodel`. */
  readonly snapshotPrefix: string;
  /** Whether to write a snapshot after the last iteration. */
  readonly snapshotAfterTrain: boolean;
  /** Everything random depends on it. */
  readonly seed: number;
  readonly device: { readonly mode: "CPU" | "GPU"; readonly id: number };
  /** Caffemodels to begin with (`weights`). */
  readonly weights: readonly string[];
};

export type ReadSolverOptions = {
  readonly onWarning?: OnWarning | undefined;
  /** Whether a path names an existing folder: there `snapshot_prefix` gets the solver file's name. */
  readonly isFolder?: ((path: string) => boolean) | undefined;
  /** Chooses a seed, 0..2^31-1, where the solver gives none. */
  readonly chooseSeed?: (() => number) | undefined;
};

/**
 * The settings of a solver. `file` is its path, for errors and for the default of `snapshot_prefix`. Throws an input
 * error that names the key; warns of a seed that was chosen, and of keys that have no effect here.
 */
export function readSolver(
  solver: SolverParameter,
  file: string,
  options: ReadSolverOptions = {},
): SolverSettings {
  const { onWarning = () => {}, isFolder = () => false, chooseSeed = randomSeed } = options;
  warnUnused(solver, file, onWarning);
  if (setting("SolverParameter", solver, "snapshot_format") === "HDF5") {
    throw inputError("snapshots in HDF5 are not written", {
      where: file,
      node: "snapshot_format",
      expected: "BINARYPROTO",
      got: "HDF5",
    });
  }
  const maxIterations = needed(solver.max_iter, "max_iter", file, "the solver");
  return {
    ...readUpdate(solver, file, maxIterations),
    nets: readSolverNets(solver, file),
    maxIterations: count(maxIterations, "max_iter", file),
    testInterval: count(setting("SolverParameter", solver, "test_interval"), "test_interval", file),
    testInitialization: setting("SolverParameter", solver, "test_initialization"),
    display: count(solver.display ?? 0, "display", file),
    averageLoss: count(setting("SolverParameter", solver, "average_loss"), "average_loss", file, 1),
    snapshot: count(setting("SolverParameter", solver, "snapshot"), "snapshot", file),
    snapshotPrefix: snapshotPrefix(solver.snapshot_prefix, file, isFolder),
    snapshotAfterTrain: setting("SolverParameter", solver, "snapshot_after_train"),
    seed: readSeed(solver, file, onWarning, chooseSeed),
    device: {
      mode: setting("SolverParameter", solver, "solver_mode") === "CPU" ? "CPU" : "GPU",
      id: setting("SolverParameter", solver, "device_id"),
    },
    weights: solver.weights.flatMap((list) => list.split(",")),
  };
}

function readUpdate(solver: SolverParameter, file: string, maxIterations: number): UpdateSettings {
  const rule = readRule(solver, file);
  const momentum = atLeastZero(solver.momentum ?? 0, "momentum", file, 1);
  if (momentum !== 0 && (rule === "AdaGrad" || rule === "RMSProp")) {
    throw inputError(`${rule} has no momentum`, {
      where: file,
      node: "momentum",
      got: `${momentum}`,
    });
  }
  const delta = setting("SolverParameter", solver, "delta");
  const rmsDecay = setting("SolverParameter", solver, "rms_decay");
  const momentum2 = setting("SolverParameter", solver, "momentum2");
  const weightDecay = solver.weight_decay ?? 0;
  return {
    rule,
    schedule: readRateSchedule(solver, file, maxIterations),
    momentum,
    momentum2: rule === "Adam" ? atLeastZero(momentum2, "momentum2", file, 1) : momentum2,
    rmsDecay: rule === "RMSProp" ? atLeastZero(rmsDecay, "rms_decay", file, 1) : rmsDecay,
    delta: atLeastZero(delta, "delta", file),
    weightDecay: atLeastZero(weightDecay, "weight_decay", file),
    regularization: readRegularization(solver, file),
    iterSize: count(setting("SolverParameter", solver, "iter_size"), "iter_size", file, 1),
    clipGradients: readClip(solver, file),
  };
}

const rules: Readonly<Record<string, UpdateRule>> = {
  SGD: "SGD",
  Nesterov: "Nesterov",
  AdaGrad: "AdaGrad",
  RMSProp: "RMSProp",
  AdaDelta: "AdaDelta",
  Adam: "Adam",
};

/** Names of the enum that said it before 2015. */
const oldRules: Readonly<Record<string, UpdateRule>> = {
  SGD: "SGD",
  NESTEROV: "Nesterov",
  ADAGRAD: "AdaGrad",
  RMSPROP: "RMSProp",
  ADADELTA: "AdaDelta",
  ADAM: "Adam",
};

function readRule(solver: SolverParameter, file: string): UpdateRule {
  const { type, solver_type: old } = solver;
  if (type !== undefined && old !== undefined) {
    throw inputError("a solver has type or the older solver_type, not both", {
      where: file,
      node: "solver_type",
    });
  }
  const name = `${type ?? old ?? "SGD"}`;
  const table = type === undefined ? oldRules : rules;
  const rule = Object.hasOwn(table, name) ? table[name] : undefined;
  if (rule !== undefined) return rule;
  throw inputError("no such solver", {
    where: file,
    node: type === undefined ? "solver_type" : "type",
    expected: `one of ${Object.keys(table).join(", ")}`,
    got: `"${name}"`,
  });
}

function readRegularization(solver: SolverParameter, file: string): "L2" | "L1" {
  const kind = setting("SolverParameter", solver, "regularization_type");
  if (kind === "L2" || kind === "L1") return kind;
  throw inputError("no such regularization", {
    where: file,
    node: "regularization_type",
    expected: "L2 or L1",
    got: `"${kind}"`,
  });
}

function readClip(solver: SolverParameter, file: string): number | undefined {
  const clip = setting("SolverParameter", solver, "clip_gradients");
  if (clip < 0) return undefined;
  // A norm of 0 would stop the training; whoever writes it means that nothing is clipped.
  if (clip > 0 && clip < Infinity) return clip;
  throw inputError("clip_gradients is the largest norm of the gradients", {
    where: file,
    node: "clip_gradients",
    expected: "above 0, or -1 for no clipping",
    got: `${clip}`,
  });
}

function readSeed(
  solver: SolverParameter,
  file: string,
  onWarning: OnWarning,
  chooseSeed: () => number,
): number {
  const given = setting("SolverParameter", solver, "random_seed");
  if (given >= 0 && Number.isSafeInteger(given)) return given;
  if (given >= 0) {
    throw inputError("the seed is too large", {
      where: file,
      node: "random_seed",
      got: `${given}`,
    });
  }
  const seed = chooseSeed();
  const message = `no random_seed is given: ${seed} was chosen; give it to repeat this run`;
  onWarning({ id: "chosen-seed", message, where: file });
  return seed;
}

/** Not from a seed: it is one. */
function randomSeed(): number {
  return Math.floor(Math.random() * 2 ** 31);
}

/** Caffe's rule: without a prefix the solver's path less its extension; in a folder the solver's name. */
function snapshotPrefix(
  prefix: string | undefined,
  file: string,
  isFolder: (path: string) => boolean,
): string {
  const path = file.replace(/\.[^./\\]*$/, "");
  if (prefix === undefined) return path;
  const stem = path.replace(/^.*[/\\]/, "");
  if (/[/\\]$/.test(prefix)) return `${prefix}${stem}`;
  return isFolder(prefix) ? `${prefix}/${stem}` : prefix;
}
