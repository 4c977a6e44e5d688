/**
 * Gradients of every operator against central differences of the scalar interpreter. Geometry and values are those of
 * the random small cases; where an operator has kinks or ties, the values are first moved away from them.
 */
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Op } from "../src/ir/ops.ts";
import { commonKernels } from "../src/train/kernels.ts";
import { trainRules } from "../src/train/rules.ts";
import { furtherCases, gradientCases, withoutDerivative } from "./gradient-cases.ts";
import { checkGradients } from "./gradient-check.ts";

const runs = 12;

const suites = { ...gradientCases, ...furtherCases };

describe("gradients equal central differences", () => {
  for (const [name, cases] of Object.entries(suites)) {
    it(name, async () => {
      const property = fc.asyncProperty(cases, fc.nat(), ({ graph, feeds, ...options }, seed) =>
        checkGradients(graph, feeds, { ...options, seed }),
      );
      await fc.assert(property, { numRuns: runs });
    });
  }

  for (const [name, cases] of Object.entries(suites)) {
    if (!/^(?:max|globalMax)Pool|^batchNorm|^conv/.test(name)) continue;
    it(`${name}, with what every engine has`, async () => {
      const property = fc.asyncProperty(cases, fc.nat(), ({ graph, feeds, ...options }, seed) =>
        checkGradients(graph, feeds, { ...options, seed, kernels: commonKernels }),
      );
      await fc.assert(property, { numRuns: runs });
    });
  }

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
