/**
 * Which networks a solver trains and tests, and how many batches each test takes: Caffe's rules about net, net_param,
 * train_net, test_net and their kin.
 */
import { inputError } from "../../error.ts";
import { type NetParameter, setting } from "../../formats/caffe/schema/schema.ts";
import { count, type SolverParameter } from "./checks.ts";

/** Where a network stands: in a file of its own (as the solver names it), or in the solver. */
type NetSource =
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "inline"; readonly net: NetParameter };

/** Level and stages that choose layers, besides those that the network states. */
type StageState = { readonly level: number; readonly stages: readonly string[] };

type TestNet = {
  readonly source: NetSource;
  readonly state: StageState;
  /** Batches per test. */
  readonly iterations: number;
};

export type SolverNets = {
  readonly train: { readonly source: NetSource; readonly state: StageState };
  /** In Caffe's order: test_net_param, test_net, then net once for each test_iter that is left. */
  readonly tests: readonly TestNet[];
};

/** The networks of a solver. Throws an input error where they are not told exactly once. */
export function readSolverNets(solver: SolverParameter, file: string): SolverNets {
  const shared = [...sourcesOf(solver.net_param), ...sourcesOf(solver.net)];
  const trained = [...shared, ...sourcesOf(solver.train_net_param), ...sourcesOf(solver.train_net)];
  const [source] = trained;
  if (source === undefined || trained.length > 1) {
    throw inputError("a solver trains one network", {
      where: file,
      expected: "one of net, net_param, train_net, train_net_param",
      got: `${trained.length} of them`,
    });
  }
  return {
    train: { source, state: stateOf(solver.train_state) },
    tests: readTests(solver, file, shared[0]),
  };
}

function readTests(
  solver: SolverParameter,
  file: string,
  shared: NetSource | undefined,
): readonly TestNet[] {
  const own = [...solver.test_net_param.flatMap(sourcesOf), ...solver.test_net.flatMap(sourcesOf)];
  const { test_iter: iterations, test_state: states } = solver;
  if (iterations.length < own.length || (shared === undefined && iterations.length > own.length)) {
    throw wrongNumber(file, "test_iter", own.length, iterations.length);
  }
  if (states.length > 0 && states.length !== iterations.length) {
    throw wrongNumber(file, "test_state", iterations.length, states.length);
  }
  if (iterations.length > 0) {
    count(setting("SolverParameter", solver, "test_interval"), "test_interval", file, 1);
  }
  return iterations.flatMap((batches, at) => {
    const source = own[at] ?? shared;
    if (source === undefined) return [];
    const state = stateOf(states[at]);
    return [{ source, state, iterations: count(batches, "test_iter", file, 1) }];
  });
}

function wrongNumber(file: string, key: string, expected: number, got: number): Error {
  return inputError(`each test network needs its ${key}`, {
    where: file,
    node: key,
    expected: `${expected}`,
    got: `${got}`,
  });
}

function sourcesOf(given: string | NetParameter | undefined): NetSource[] {
  if (given === undefined) return [];
  return typeof given === "string"
    ? [{ kind: "file", path: given }]
    : [{ kind: "inline", net: given }];
}

function stateOf(state: SolverParameter["train_state"]): StageState {
  return { level: state?.level ?? 0, stages: state?.stage ?? [] };
}
