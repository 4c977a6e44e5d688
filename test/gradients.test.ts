/**
 * Gradients of every operator against central differences of the scalar interpreter. Geometry and values are those of
 * the random small cases; where an operator has kinks or ties, the values are first moved away from them.
 */
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Op } from "../src/ir/ops.ts";
import { commonKernels, type Kernels } from "../src/train/kernels.ts";
import { trainRules } from "../src/train/rules.ts";
import {
  furtherCases,
  type GradientCase,
  gradientCases,
  withoutDerivative,
} from "./gradient-cases.ts";
import { checkGradients } from "./gradient-check.ts";

const runs = 12;

const suites = Object.entries({ ...gradientCases, ...furtherCases });

/** Operators whose rules are written otherwise where the engine is not the CPU's. */
const written = suites.filter(([name]) => /^(?:max|globalMax)Pool|^batchNorm|^conv/.test(name));

async function check(cases: fc.Arbitrary<GradientCase>, kernels?: Kernels): Promise<void> {
  const property = fc.asyncProperty(cases, fc.nat(), ({ graph, feeds, ...options }, seed) =>
    checkGradients(graph, feeds, { ...options, seed, kernels }),
  );
  await fc.assert(property, { numRuns: runs });
}

describe("gradients equal central differences", () => {
  it.each(suites)("%s", (_name, cases) => check(cases));

  it.each(written)("%s, with what every engine has", (_name, cases) => check(cases, commonKernels));

  it("or are tested in a file of their own", () => {
    const paths = Object.values(withoutDerivative).flatMap((why) => why.split(": ")[1] ?? []);
    expect(paths.length).toBeGreaterThan(0);
    for (const path of paths) expect(existsSync(path), path).toBe(true);
  });

  it("for every operator that has a derivative", () => {
    const operators = Object.keys(trainRules) as Op[];
    const named = operators.filter(
      (op) => (gradientCases[op] === undefined) !== (withoutDerivative[op] !== undefined),
    );
    expect(named).toEqual([]);
  });
});
