/**
 * `inlay test`: the lines of caffe test, and a report whose counts are right.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkSchema } from "../src/report/json-schema.ts";
import { reportSchemas } from "../src/report/schema.ts";
import type { TestReport } from "../src/report/train.ts";
import { inlayIn, netText, trainFolder, trainIn, writeModel } from "./train-setup.ts";

let folder = "";
const model = "out/small_iter_10.caffemodel";
beforeAll(async () => {
  folder = trainFolder();
  const { code } = await trainIn(folder, { test_interval: 100 }, ["--no-report"]);
  expect(code).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

async function reportOf(argv: readonly string[]): Promise<TestReport> {
  const { code, out } = await inlayIn(folder, ["test", ...argv, "--json"]);
  expect(code).toBe(0);
  const report = JSON.parse(out) as TestReport;
  expect(checkSchema(reportSchemas["inlay.test/1"], report)).toEqual([]);
  return report;
}

describe("inlay test", () => {
  it("prints batches, the loss and the means, in all spellings of flags", async () => {
    const { code, out, err } = await inlayIn(folder, [
      ...["test", "-model", "net.prototxt", `-weights=${model}`, "--iterations", "3", "-gpu=all"],
    ]);
    expect(code).toBe(0);
    expect(err).toContain("--device decides");
    const texts = out
      .split("\n")
      .filter((line) => / caffe\.cpp:\d+\] /.test(line))
      .map((line) => line.replace(/^.*?\] /, ""));
    expect(texts[0]).toBe("Running for 3 iterations.");
    const number = String.raw`[\d.e+-]+`;
    for (const batch of [0, 1, 2]) {
      expect(texts[1 + 2 * batch]).toMatch(new RegExp(`^Batch ${batch}, accuracy = ${number}$`));
      expect(texts[2 + 2 * batch]).toMatch(new RegExp(`^Batch ${batch}, loss = ${number}$`));
    }
    const numberIn = (line = ""): number => Number(/= (\S+)/.exec(line)?.[1]);
    const mean = (from: number): number =>
      [0, 1, 2].reduce((sum, batch) => sum + numberIn(texts[from + 2 * batch]), 0) / 3;
    expect(numberIn(texts[8])).toBeCloseTo(mean(1), 5);
    expect(texts[9]).toMatch(new RegExp(`^loss = ${number} \\(\\* 1 = ${number} loss\\)$`));
    expect(numberIn(texts[9])).toBeCloseTo(mean(2), 5);
    expect(Number(texts[7]?.replace("Loss: ", ""))).toBeCloseTo(mean(2), 5);
  });

  it("counts, with an interval; batches past the last picture begin anew", async () => {
    const whole = await reportOf(["--model=net.prototxt", `--weights=${model}`, "--iterations=3"]);
    expect([whole.iterations, whole.samples]).toEqual([3, 12]);
    const [accuracy] = whole.accuracies;
    expect(accuracy?.total).toBe(12);
    expect(whole.outputs[0]).toEqual({
      ...{ name: "accuracy", weight: null },
      value: expect.closeTo((accuracy?.count ?? 0) / 12, 6),
    });
    const twice = await reportOf(["--model=net.prototxt", `--weights=${model}`, "--iterations=6"]);
    expect(twice.accuracies[0]).toMatchObject({ count: 2 * (accuracy?.count ?? 0), total: 24 });
    expect(twice.loss).toBeCloseTo(whole.loss ?? 0, 6);
    const phase = ["--phase", "train", "--iterations=5"];
    const train = await reportOf(["--model=net.prototxt", `--weights=${model}`, ...phase]);
    expect([train.samples, train.images]).toEqual([30, join(folder, "train_lmdb")]);
  });

  it("gives what a network by hand must give", async () => {
    // All weights are 0 but the last layer's bias: every picture is class 1.
    const zeros = (...dim: number[]) => ({
      dim,
      data: new Float32Array(dim.reduce((a, b) => a * b, 1)),
    });
    const one = (...values: number[]) => ({
      dim: [values.length],
      data: Float32Array.from(values),
    });
    writeModel(join(folder, "hand.caffemodel"), [
      { name: "conv", blobs: [zeros(4, 3, 3, 3), zeros(4)] },
      { name: "norm", blobs: [zeros(4), one(1, 1, 1, 1), one(1)] },
      { name: "scale", blobs: [one(1, 1, 1, 1), zeros(4)] },
      { name: "ip", blobs: [zeros(3, 64), one(0, 2, 0)] },
    ]);
    const flags = ["--model=net.prototxt", "--weights=hand.caffemodel", "--iterations=3"];
    const report = await reportOf(flags);
    expect(report.warnings).toEqual([]);
    expect(report.accuracies).toMatchObject([{ name: "accuracy", count: 4, total: 12 }]);
    const sum = 2 + Math.exp(2);
    const loss = -(8 * Math.log(1 / sum) + 4 * Math.log(Math.exp(2) / sum)) / 12;
    expect(report.loss).toBeCloseTo(loss, 6);
  });

  it("refuses what it cannot test", async () => {
    writeFileSync(
      join(folder, "plain.prototxt"),
      netText().replace(/layer \{ name: "(loss|accuracy)".*\n/g, ""),
    );
    const run = async (...argv: string[]) => await inlayIn(folder, ["test", ...argv]);
    const plain = await run("--model=plain.prototxt", `--weights=${model}`);
    expect([plain.code, plain.out]).toEqual([2, ""]);
    expect(plain.err).toContain("no loss and no accuracy");
    expect((await run("--model=net.prototxt")).err).toContain("--weights <files> is missing");
    expect((await run("--model=net.prototxt", "--weights=lost.caffemodel")).err).toContain("lost");
    const zero = await run("--model=net.prototxt", `--weights=${model}`, "--iterations=0");
    expect(zero.err).toContain("Expected a positive integer");
  });

  it("stops at Ctrl-C", async () => {
    const { code, out } = await inlayIn(
      folder,
      ["test", "--model=net.prototxt", `--weights=${model}`],
      { signal: AbortSignal.abort() },
    );
    expect(code).toBe(130);
    expect(out).not.toContain("Loss:");
  });
});
