import { expect, test } from "vitest";
import { compareReport } from "./compare.ts";
import type { CompareLayer } from "./reports.ts";

function layer(name: string, sqnrDb: number | null): CompareLayer {
  return {
    name,
    op: "conv",
    cosine: null,
    sqnrDb,
    maxAbsError: null,
    saturatedPercent: null,
    underflowPercent: null,
    weightCosine: null,
    weightSqnrDb: null,
    weightMaxAbsError: null,
    weightSaturatedPercent: null,
    weightUnderflowPercent: null,
  };
}

const about = { model: "m", images: "i", samples: 1, warnings: [] };

test("sorts the worst first and finds the first below, in network order", () => {
  const layers = [layer("a", 30), layer("b", null), layer("c", 19), layer("d", 12), layer("e", 30)];
  const report = compareReport(layers, { ...about, thresholdDb: 20 });
  expect(report.worst).toEqual(["d", "c", "a", "e"]);
  expect(report.firstBelow).toEqual({ thresholdDb: 20, name: "c" });
  expect(report.layers).toBe(layers);
});

test("the threshold itself is not below", () => {
  const report = compareReport([layer("a", 20)], { ...about, thresholdDb: 20 });
  expect(report.firstBelow).toBeNull();
});
