import { describe, expect, it } from "vitest";
import { readPrototxt } from "../../formats/caffe/files.ts";
import type { Warning } from "../../notice.ts";
import { type ReadSolverOptions, readSolver, type SolverSettings } from "./settings.ts";

function read(text: string, options: ReadSolverOptions = {}, name = "a/solver.pt"): SolverSettings {
  const file = { name, bytes: new TextEncoder().encode(text) };
  return readSolver(
    readPrototxt("SolverParameter", file, () => {}),
    name,
    options,
  );
}

const base = 'net: "net.pt" base_lr: 0.1 lr_policy: "fixed" max_iter: 10 random_seed: 3';

describe("readSolver", () => {
  it("has Caffe's defaults", () => {
    expect(read(base)).toEqual({
      rule: "SGD",
      schedule: { policy: "fixed", base: Math.fround(0.1) },
      momentum: 0,
      momentum2: Math.fround(0.999),
      rmsDecay: Math.fround(0.99),
      delta: Math.fround(1e-8),
      weightDecay: 0,
      regularization: "L2",
      iterSize: 1,
      clipGradients: undefined,
      nets: {
        train: { source: { kind: "file", path: "net.pt" }, state: { level: 0, stages: [] } },
        tests: [],
      },
      maxIterations: 10,
      testInterval: 0,
      testInitialization: true,
      display: 0,
      averageLoss: 1,
      snapshot: 0,
      snapshotPrefix: "a/solver",
      snapshotAfterTrain: true,
      seed: 3,
      device: { mode: "GPU", id: 0 },
      weights: [],
    });
  });

  it.each([
    ["solver_type: ADADELTA", "AdaDelta"],
    ["solver_type: 5", "Adam"],
    ['type: "Nesterov"', "Nesterov"],
  ])("reads %s", (text, rule) => {
    expect(read(`${base} ${text}`).rule).toBe(rule);
  });

  it.each([
    ['base_lr: 0.1 lr_policy: "step" gamma: 0.1', 'lr_policy "step" needs stepsize'],
    ['base_lr: 0.1 lr_policy: "step" stepsize: 5', 'lr_policy "step" needs gamma'],
    ['base_lr: 0.1 lr_policy: "step" stepsize: 0 gamma: 0.1', "stepsize"],
    ['base_lr: 0.1 lr_policy: "inv" gamma: 0.1', 'lr_policy "inv" needs power'],
    ['base_lr: 0.1 lr_policy: "multistep" gamma: 0.1', 'lr_policy "multistep" needs stepvalue'],
    ['base_lr: 0.1 lr_policy: "poly"', 'lr_policy "poly" needs power'],
    ['base_lr: 0.1 lr_policy: "exp" gamma: -1', "gamma: a number is out of range"],
    ['base_lr: 0.1 lr_policy: "plateau"', "one of fixed, step, exp, inv, multistep, poly, sigmoid"],
    ["base_lr: 0.1", "the solver needs lr_policy"],
    ['lr_policy: "fixed"', "the solver needs base_lr"],
    ['base_lr: nan lr_policy: "fixed"', "base_lr"],
  ])("of %s says what is wrong", (text, message) => {
    expect(() => read(`net: "x" max_iter: 1 ${text}`)).toThrow(message);
  });

  it.each([
    ["snapshot_format: HDF5", "snapshots in HDF5 are not written"],
    ['type: "SGD" solver_type: SGD', "not both"],
    ['type: "LARS"', "one of SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam"],
    ['type: "constructor"', "no such solver"],
    ['type: "AdaGrad" momentum: 0.9', "AdaGrad has no momentum"],
    ["momentum: 1", "at least 0, below 1"],
    ['type: "RMSProp" rms_decay: 1.5', "rms_decay"],
    ['regularization_type: "L3"', "L2 or L1"],
    ["clip_gradients: 0", "above 0, or -1"],
    ["iter_size: 0", "1 or more"],
    ["display: -1", "display"],
    ["weight_decay: -1", "weight_decay"],
    ['train_net: "y"', "a solver trains one network"],
    ["test_iter: 5", "test_interval"],
    ["test_iter: 0 test_interval: 1", "test_iter"],
    ['test_iter: 5 test_interval: 1 test_net: "x" test_net: "y"', "expected 2, got 1"],
    ["test_iter: 5 test_interval: 1 test_state {} test_state {}", "test_state"],
  ])("refuses %s", (text, message) => {
    expect(() => read(`${base} ${text}`)).toThrow(message);
  });

  it("refuses a seed beyond 2^53", () => {
    const text = base.replace("random_seed: 3", "random_seed: 9007199254740993");
    expect(() => read(text)).toThrow("random_seed");
  });

  it("needs max_iter, and a network", () => {
    expect(() => read('net: "x" base_lr: 1 lr_policy: "fixed"')).toThrow("max_iter");
    expect(() => read('max_iter: 1 base_lr: 1 lr_policy: "fixed"')).toThrow("0 of them");
  });

  it("tests test networks first, then the shared one", () => {
    const text = `test_iter: 5 test_iter: 6 test_iter: 7 test_interval: 3 test_net: "t.pt"
      test_state { stage: "a" } test_state { stage: "b" level: 2 } test_state {}`;
    const { tests } = read(`${base} ${text}`).nets;
    expect(
      tests.map(({ source, state, iterations }) => ({ source, ...state, iterations })),
    ).toEqual([
      { source: { kind: "file", path: "t.pt" }, level: 0, stages: ["a"], iterations: 5 },
      { source: { kind: "file", path: "net.pt" }, level: 2, stages: ["b"], iterations: 6 },
      { source: { kind: "file", path: "net.pt" }, level: 0, stages: [], iterations: 7 },
    ]);
  });

  it("takes a network that stands in the solver", () => {
    const text = base.replace('net: "net.pt"', 'net_param { name: "inner" }');
    const { source } = read(text).nets.train;
    expect(source.kind === "inline" && source.net.name).toBe("inner");
  });

  it.each([
    ["", "jobs.v2/solver"],
    ['snapshot_prefix: "out/net"', "out/net"],
    ['snapshot_prefix: "out/"', "out/solver"],
    ['snapshot_prefix: "folder"', "folder/solver"],
  ])("with %s in jobs.v2/solver.prototxt writes snapshots %s_iter_N", (text, prefix) => {
    const options = { isFolder: (path: string) => path === "folder" };
    const { snapshotPrefix } = read(`${base} ${text}`, options, "jobs.v2/solver.prototxt");
    expect(snapshotPrefix).toBe(prefix);
  });

  it("reports the seed that it chose, and keys without effect", () => {
    const warnings: Warning[] = [];
    const text = base.replace("random_seed: 3", "random_seed: -1 debug_info: true");
    const options = { onWarning: (warning: Warning) => warnings.push(warning) };
    expect(read(text, { ...options, chooseSeed: () => 77 }).seed).toBe(77);
    expect(warnings.map(({ id }) => id)).toEqual(["unused-solver-key", "chosen-seed"]);
    expect(warnings[1]?.message).toContain("77");
    expect(read(text).seed).toBeGreaterThanOrEqual(0);
  });

  it("splits lists of weights", () => {
    expect(read(`${base} weights: "a,b" weights: "c"`).weights).toEqual(["a", "b", "c"]);
  });
});
