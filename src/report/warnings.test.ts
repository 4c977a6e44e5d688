import { expect, test } from "vitest";
import { sampleCalibrate } from "../../test/report-sample.ts";
import { rangesCsv } from "./ranges-csv.ts";
import { maxWarnings, reportWarnings } from "./warnings.ts";

test("lists each warning once, with null for an absent place", () => {
  const warning = { id: "a", message: "m" };
  expect(
    reportWarnings([warning, { ...warning, where: undefined }, { ...warning, where: "x" }]),
  ).toEqual([
    { id: "a", message: "m", where: null },
    { id: "a", message: "m", where: "x" },
  ]);
});

test("counts what goes beyond the limit", () => {
  const many = Array.from({ length: maxWarnings + 5 }, (_, at) => ({ id: "a", message: `${at}` }));
  const listed = reportWarnings(many);
  expect(listed).toHaveLength(maxWarnings + 1);
  expect(listed.at(-1)).toMatchObject({
    id: "more-warnings",
    message: "5 more warnings are left out",
  });
});

test("the range table as CSV, cells quoted where they must be", () => {
  const row = {
    layer: 'a,"b"',
    networkLayer: "relu",
    tensor: "activations",
    min: -0.5,
    max: 1e-7,
    lo: null,
    hi: null,
  } as const;
  expect(rangesCsv({ ...sampleCalibrate(), ranges: [row] })).toBe(
    "Optimized Layer Name,Network Layer Name,Learnables / Activations,MinValue,MaxValue\n" +
      '"a,""b""",relu,activations,-0.5,1e-7\n',
  );
});
