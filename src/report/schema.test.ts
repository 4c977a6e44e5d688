import { describe, expect, test } from "vitest";
import { sampleBitMatch } from "../../test/bit-match-sample.ts";
import { sampleCheck } from "../../test/check-sample.ts";
import { sampleConvert, samplePredict } from "../../test/convert-sample.ts";
import { sampleDatasetLmdb, sampleDatasetShow } from "../../test/dataset-sample.ts";
import { sampleDemo } from "../../test/demo-sample.ts";
import { sampleFinetune } from "../../test/finetune-sample.ts";
import { sampleCalibrateQuantRelu, sampleRefineNetwork } from "../../test/mdk-sample.ts";
import * as sample from "../../test/report-sample.ts";
import { sampleTest, sampleTrain } from "../../test/train-sample.ts";
import { toJson } from "./json.ts";
import { checkSchema, type JsonSchema } from "./json-schema.ts";
import type { Report } from "./reports.ts";
import { reportSchemas } from "./schema.ts";

const reports: readonly Report[] = [
  sample.sampleInspect(),
  sampleCheck(),
  sample.sampleEvaluate(false),
  sample.sampleEvaluate(true),
  sample.sampleCalibrate(),
  sample.sampleQuantize(),
  sample.sampleCompare(),
  sample.sampleRun(),
  sampleConvert(),
  samplePredict(),
  sampleBitMatch(),
  sampleBitMatch("pictures"),
  sampleCalibrateQuantRelu(),
  sampleRefineNetwork(),
  sampleTrain(),
  sampleTest(),
  sampleDatasetShow(),
  sampleDatasetLmdb(),
  sampleFinetune(),
  sampleFinetune(true),
  sampleDemo(),
  sample.sampleJob(),
];

describe("schemas", () => {
  test.each(reports.map((report) => [report.schema, report] as const))("%s fits", (id, report) => {
    expect(checkSchema(reportSchemas[id], JSON.parse(toJson(report)))).toEqual([]);
  });

  test("every schema has a sample, and no report passes for another", () => {
    expect(new Set(reports.map((report) => report.schema))).toEqual(
      new Set(Object.keys(reportSchemas)),
    );
    for (const report of reports) {
      for (const [id, schema] of Object.entries(reportSchemas)) {
        expect(checkSchema(schema, report).length === 0, id).toBe(id === report.schema);
      }
    }
  });

  test("the JSON text is the report, nothing more", () => {
    for (const report of reports) expect(JSON.parse(toJson(report))).toEqual(report);
  });

  test("are held", async () => {
    const text = `${JSON.stringify(reportSchemas, null, 1)}\n`;
    await expect(text).toMatchFileSnapshot("goldens/schemas.json");
  });
});

describe("checkSchema", () => {
  const fault = (schema: JsonSchema, value: unknown): string => checkSchema(schema, value).join();

  test("names the place and both types", () => {
    const broken = { ...sample.sampleEvaluate(true), samples: "500", extra: 1 };
    const { seed, ...withoutSeed } = broken;
    expect(seed).toBe(1);
    expect(checkSchema(reportSchemas["inlay.evaluate/1"], withoutSeed)).toEqual([
      "$.seed: expected, but absent",
      "$.samples: expected integer, got string",
      "$.extra: expected no such field",
    ]);
  });

  test("checks types, ranges, constants, tuples, alternatives", () => {
    expect(fault({ type: "integer", minimum: 0 }, 1.5)).toBe("$: expected integer, got number");
    expect(fault({ type: "number" }, Number.NaN)).toBe("$: expected number, got NaN");
    expect(fault({ type: ["number", "null"], maximum: 1 }, 2)).toContain("got 2");
    expect(fault({ type: ["number", "null"], maximum: 1 }, null)).toBe("");
    expect(fault({ enum: ["a", null] }, "b")).toContain('got "b"');
    expect(fault({ const: "a" }, "b")).toContain('expected "a"');
    const two: JsonSchema = {
      type: "array",
      prefixItems: [{ type: "number" }, { type: "number" }],
      items: false,
      minItems: 2,
    };
    expect(fault(two, [1, 2])).toBe("");
    expect(fault(two, [1])).toContain("at least 2");
    expect(fault(two, [1, 2, 3])).toContain("$[2]");
    expect(fault({ anyOf: [two, { type: "null" }] }, null)).toBe("");
    expect(fault({ anyOf: [two, { type: "null" }] }, "x")).not.toBe("");
    expect(fault({ type: "object", additionalProperties: { type: "string" } }, { a: 1 })).toBe(
      "$.a: expected string, got number",
    );
    expect(
      fault({ type: "object", properties: {}, additionalProperties: false }, { toString: 1 }),
    ).toBe("$.toString: expected no such field");
  });
});
