import { describe, expect, it } from "vitest";
import type { Displayed } from "../../train/train-loop.ts";
import { bestTest, createRunLog, type RunLogOptions } from "./run-log.ts";
import { isRecord, type RunRecord } from "./run-record.ts";

function logOf(more: Partial<RunLogOptions> = {}) {
  const records: RunRecord[] = [];
  const lines: string[] = [];
  const log = createRunLog({
    onLines: (some) => lines.push(...some),
    onRecord: (record) => records.push(record),
    ...{ earlier: [], weights: new Map([["loss", 1]]), clock: () => 1.23456 },
    ...more,
  });
  return { log, records, lines };
}

const shown = (iteration: number, loss = 1): Displayed => ({
  ...{ iteration, loss, rate: 0.1, iterations: 1, seconds: 1 },
  outputs: [{ name: "loss", value: loss, weight: 1 }],
});

describe("a run's log", () => {
  it("thins a long curve out evenly", () => {
    const { log, records } = logOf();
    for (let at = 0; at < 5000; at += 1) log.display(shown(at));
    const { curve } = log.parts();
    expect(curve.length).toBeLessThanOrEqual(2000);
    expect(curve.length).toBeGreaterThan(1000);
    const steps = new Set(
      curve.slice(1).map((one, at) => one.iteration - (curve[at]?.iteration ?? 0)),
    );
    expect([...steps]).toEqual([4]);
    expect(records).toHaveLength(5000);
  });

  it("goes on from earlier records, and writes none of them", () => {
    const first = logOf();
    first.log.display(shown(0));
    first.log.tested(0, 1, [
      { name: "loss", value: 2, weight: 1 },
      { name: "top", value: 0.5 },
      { name: "top", value: 0.25 },
    ]);
    expect(first.records[1]).toMatchObject({ outputs: { loss: 2, top: 0.5, "top.1": 0.25 } });
    const { log, records } = logOf({ earlier: first.records });
    log.display(shown(5, Number.NaN));
    const { curve, tests, loss } = log.parts();
    expect(curve.map(({ iteration }) => iteration)).toEqual([0, 5]);
    expect([curve[1]?.loss, loss]).toEqual([null, null]);
    expect(tests[0]?.outputs[0]).toEqual({ name: "loss", value: 2, weight: 1 });
    expect(records).toHaveLength(1);
  });

  it("writes records that read as such", () => {
    const { log, records } = logOf();
    log.start(
      { type: "start", iteration: 0, solver: "s", seed: 1 },
      { network: "n", policy: "fixed", from: [] },
    );
    log.display(shown(0, Number.POSITIVE_INFINITY));
    log.tested(0, 0, [{ name: "accuracy", value: 1 }]);
    log.snapshot(1, ["a.caffemodel", "a.solverstate"]);
    const again = records.map((record): unknown => JSON.parse(JSON.stringify(record)));
    expect(again.map(isRecord)).toEqual([true, true, true, true]);
    expect(again).toEqual(records);
  });

  it.each([
    null,
    {},
    { type: "display", iteration: 1 },
    { type: "display", iteration: 1, loss: "1", rate: 1, outputs: {}, seconds: 1 },
    { type: "test", iteration: 1, net: 0, outputs: { a: "b" }, seconds: 1 },
    { type: "snapshot", iteration: "1", files: [], seconds: 1 },
    { type: "toString", iteration: 1 },
  ])("takes %j for no record", (value) => {
    expect(isRecord(value)).toBe(false);
  });
});

describe("the best test", () => {
  const test = (iteration: number, value: number | null, net = 0) => ({
    ...{ iteration, net },
    outputs: [{ name: "x", value, weight: null }],
  });
  const tests = [test(0, 0.5), test(1, 0.75), test(2, 0.75), test(3, null), test(4, 0.9, 1)];

  it("is the highest accuracy, or the lowest loss, the first of equal ones", () => {
    expect(bestTest(tests, { name: "x", rises: true })).toMatchObject({
      iteration: 1,
      value: 0.75,
    });
    expect(bestTest(tests, { name: "x", rises: false })).toMatchObject({ iteration: 0 });
    expect(bestTest(tests, { name: "y", rises: true })).toBeNull();
    expect(bestTest(tests, undefined)).toBeNull();
  });
});
