/** Learning rates and settings of solvers that Caffe ran and that others wrote. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPrototxt } from "../src/formats/caffe/files.ts";
import { learningRate } from "../src/train/solver/learning-rate.ts";
import { readSolver, type SolverSettings } from "../src/train/solver/settings.ts";
import { vectorsFolder } from "./vectors.ts";

const dataFolder = process.env["INLAY_DATA"];

function settingsOf(text: string): SolverSettings {
  const file = { name: "solver.prototxt", bytes: new TextEncoder().encode(text) };
  return readSolver(
    readPrototxt("SolverParameter", file, () => {}),
    file.name,
  );
}

type RunOfVectors = {
  readonly name: string;
  readonly params: { readonly solver: string; readonly lr: readonly number[] };
};

describe.skipIf(vectorsFolder === undefined)("learning rates (INLAY_VECTORS)", () => {
  const text = vectorsFolder && readFileSync(join(vectorsFolder, "solver.json"), "utf8");
  const { cases } = JSON.parse(text ?? '{"cases":[]}') as {
    readonly cases: readonly RunOfVectors[];
  };

  it.each(cases)("$name: all 20 rates to the 6 digits logged", ({ params: { solver, lr } }) => {
    const { schedule } = settingsOf(`net: "x" max_iter: 20 ${solver}`);
    const rates = lr.map((_, iteration) =>
      Number(learningRate(schedule, iteration).toPrecision(6)),
    );
    expect(rates).toEqual(lr);
  });
});

describe.skipIf(dataFolder === undefined)(
  "solvers of BVLC's examples and models (INLAY_DATA)",
  () => {
    const names = readdirSync(dataFolder ?? ".", { recursive: true, encoding: "utf8" }).filter(
      (name) => /(?<!auto_)solver[^/\\]*\.prototxt$/.test(name),
    );

    it.each(dataFolder === undefined ? [] : names)("%s", (name) => {
      const text = readFileSync(join(dataFolder ?? ".", name), "utf8");
      if (/snapshot_format:\s*HDF5/.test(text)) {
        expect(() => settingsOf(text)).toThrow("HDF5");
        return;
      }
      const read = settingsOf(text);
      // One only tests: it trains 0 iterations.
      expect(read.maxIterations > 0 || read.testInitialization).toBe(true);
      expect(learningRate(read.schedule, 0)).toBeGreaterThan(0);
    });
  },
);
