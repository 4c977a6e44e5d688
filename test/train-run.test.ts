/**
 * `inlay train`: the log that scripts read, the files beside it, Ctrl-C, and what is wrong with files and numbers.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readCaffemodel } from "../src/formats/caffe/files.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import { reportSchemas } from "../src/report/schema.ts";
import type { TrainReport } from "../src/report/train.ts";
import {
  drawnPicture,
  inlayIn,
  netText,
  snapshotBytes,
  trainFolder,
  trainIn,
  writeModel,
} from "./train-setup.ts";
import { writeLmdb } from "./write-lmdb.ts";

let folder = "";
beforeAll(() => {
  folder = trainFolder();
});
beforeEach(() => {
  rmSync(join(folder, "out"), { recursive: true, force: true });
  writeFileSync(join(folder, "net.prototxt"), netText());
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What Caffe's tools/extra/parse_log.py looks for. */
const parseLog = {
  iteration: /Iteration (\d+)/,
  trainOutput: /Train net output #(\d+): (\S+) = ([.\deE+-]+)/,
  testOutput: /Test net output #(\d+): (\S+) = ([.\deE+-]+)/,
  rate: /lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)/,
  /** Month, day, time to microseconds, as its extract_seconds.py splits the line. */
  time: /^I(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) +\d+ \w+\.cpp:\d+\] /,
};

const small = { test_interval: 100, display: 0 };

describe("a run", () => {
  it("is logged as Caffe does", async () => {
    const { code, out, err } = await trainIn(folder, {}, ["--no-report", "-gpu", "0"]);
    expect(code).toBe(0);
    expect(err).toBe("warning: --gpu 0 chooses nothing here: --device decides, and it is cpu\n");
    const lines = out.split("\n").filter((line) => parseLog.time.test(line));
    const texts = lines.map((line) => line.replace(parseLog.time, ""));
    expect(texts.slice(0, 4)).toEqual([
      "Starting Optimization",
      "Solving small",
      "Learning Rate Policy: inv",
      "Iteration 0, Testing net (#0)",
    ]);
    const shown = texts.filter((text) => /^Iteration \d+.*, loss = /.test(text));
    // The last is Caffe's: the loss after the last iteration.
    expect(shown.map((text) => Number(parseLog.iteration.exec(text)?.[1]))).toEqual([
      ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
    ]);
    expect(shown[3]).toMatch(
      /^Iteration 3 \([\d.e+-]+ iter\/s, [\d.e+-]+s\/1 iters\), loss = [\d.e+-]+$/,
    );
    const outputs = (pattern: RegExp, name: string): readonly number[] =>
      texts.flatMap((text) => {
        const [, , found, value] = pattern.exec(text) ?? [];
        return found === name ? [Number(value)] : [];
      });
    const losses = outputs(parseLog.trainOutput, "loss");
    expect(losses).toHaveLength(10);
    expect(shown[9]).toContain(`loss = ${losses[9]}`);
    expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
    expect(outputs(parseLog.trainOutput, "accuracy")).toHaveLength(10);
    const accuracies = outputs(parseLog.testOutput, "accuracy");
    expect(accuracies).toHaveLength(3);
    for (const share of accuracies) expect(Math.round(share * 12) / 12).toBeCloseTo(share, 5);
    expect(texts).toContain("Iteration 10, Testing net (#0)");
    const rates = texts.flatMap((text) => parseLog.rate.exec(text)?.[1] ?? []);
    expect(rates).toHaveLength(10);
    expect(Number(rates[5])).toBeCloseTo(0.05 * 1.05 ** -0.75, 6);
    expect(texts.slice(-5)).toEqual(expect.arrayContaining(["Optimization Done."]));
    expect(texts.join("\n")).toContain(
      `Snapshotting to binary proto file ${join(folder, "out", "small_iter_10.caffemodel")}`,
    );
    expect(out).toMatch(/loss = [\d.e+-]+ \(\* 1 = [\d.e+-]+ loss\)/);
    expect(readdirSync(join(folder, "out")).toSorted()).toEqual([
      ...["small.jsonl", "small_iter_10.caffemodel", "small_iter_10.solverstate"],
    ]);
  });

  it("gives a report, JSON lines and a page that say the same", async () => {
    const settings = { snapshot: 4, test_interval: 3, iter_size: 2, average_loss: 2 };
    const { code, out, err } = await trainIn(folder, settings, ["--json"]);
    expect([code, err]).toEqual([0, ""]);
    const report = JSON.parse(out) as TrainReport;
    expect(checkSchema(reportSchemas["inlay.train/1"], report)).toEqual([]);
    expect(report).toMatchObject({ began: 0, iterations: 10, maxIterations: 10, stopped: false });
    expect(report).toMatchObject({ seed: 5, network: "small", device: "cpu", from: [] });
    expect(report.tests.map(({ iteration }) => iteration)).toEqual([0, 3, 6, 9]);
    const best = Math.max(...report.tests.map(({ outputs }) => outputs[0]?.value ?? 0));
    expect(report.best).toMatchObject({ name: "accuracy", value: best });
    expect(report.curve).toHaveLength(10);
    expect(report.snapshots.map((path) => /_iter_(\d+)/.exec(path)?.[1])).toEqual(["4", "8", "10"]);
    expect(report.files).toHaveLength(8);
    const lines = readFileSync(join(folder, "out", "small.jsonl"), "utf8")
      .trimEnd()
      .split("\n");
    const records = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const shown = records.filter(({ type }) => type === "display");
    expect(shown.map(({ iteration, loss, rate }) => ({ iteration, loss, rate }))).toEqual(
      report.curve,
    );
    // Mean of two iterations' losses.
    const [first, second] = shown.map(({ outputs }) => outputs as { readonly loss: number });
    expect(first?.loss).not.toBe(shown[0]?.["loss"]);
    expect(second).toBeDefined();
    expect(records.filter(({ type }) => type === "test")).toHaveLength(4);
    const page = readFileSync(join(folder, "out", "small.html"), "utf8");
    expect(page).toContain("<title>small - Inlay training</title>");
    expect(page.match(/<polyline/g)).toHaveLength(4);
  });

  it("tests several networks, by stages; one is in the solver", async () => {
    const layer = (source: string, stage: string): string =>
      `layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST stage: "${stage}" }
       data_param { source: "${source}" backend: LMDB batch_size: 3 } transform_param { scale: 0.01 } }\n`;
    const rest = netText().replace(
      /layer \{\n {2}name: "data" type: "Data" [^}]*TEST[\s\S]*?\} \}\n/,
      "",
    );
    const net = rest.replace(
      'name: "small"',
      `name: "small"\n${layer("train_lmdb", "a")}${layer("test_lmdb", "b")}`,
    );
    writeFileSync(join(folder, "net.prototxt"), net);
    const { code, out } = await trainIn(
      folder,
      { test_state: '{ stage: "a" } test_state: { stage: "b" } test_iter: 2', max_iter: 2 },
      ["--no-report"],
    );
    expect(code).toBe(0);
    expect(out).toContain("Iteration 0, Testing net (#0)");
    expect(out).toContain("Iteration 0, Testing net (#1)");
    const inline = netText().replaceAll("\n", " ");
    const inside = await trainIn(folder, { net: '""', max_iter: 1 }, ["--no-report"]);
    expect(inside.code).toBe(2);
    writeFileSync(
      join(folder, "inline.prototxt"),
      `net_param { ${inline} }\ntest_iter: 1 test_interval: 1 base_lr: 0.1 lr_policy: "fixed" max_iter: 1 display: 1\n`,
    );
    const own = await inlayIn(folder, ["train", "-solver", "inline.prototxt", "--no-report"]);
    expect([own.code, own.err]).toEqual([0, ""]);
    // Without a prefix, snapshots have the solver's name.
    expect(readdirSync(folder)).toContain("inline_iter_1.solverstate");
  });
});

describe("Ctrl-C", () => {
  it("ends with a snapshot and 130; going on from there is as if nothing had been", async () => {
    const whole = await trainIn(folder, { ...small, snapshot_prefix: '"whole/net"' }, [
      "--no-report",
    ]);
    expect(whole.code).toBe(0);
    const stop = new AbortController();
    const outcome = await trainIn(folder, { display: 1, test_interval: 100 }, ["--no-report"], {
      signal: stop.signal,
      onOut: (text) => {
        if (text.includes("Iteration 3 ")) stop.abort();
      },
    });
    expect([outcome.code, outcome.err]).toEqual([130, ""]);
    expect(outcome.out).toContain("Optimization stopped early.");
    expect(outcome.out).toContain("iterations 0 to 4 of 10, stopped");
    expect(readdirSync(join(folder, "out"))).toContain("small_iter_4.solverstate");
    expect((await trainIn(folder, small, ["--resume", "--no-report"])).code).toBe(0);
    const [a, b] = ["whole/net", "out/small"].map(
      (stem) => snapshotBytes(folder, `${stem}_iter_10`)[0],
    );
    expect(a?.equals(b ?? Buffer.of())).toBe(true);
  });

  it("before the first iteration writes no snapshot; in a test it does not wait for the end", async () => {
    const { code } = await trainIn(folder, {}, [], { signal: AbortSignal.abort() });
    expect(code).toBe(130);
    const stop = new AbortController();
    const { out } = await trainIn(folder, { test_iter: 100_000 }, [], {
      signal: stop.signal,
      onOut: (text) => {
        if (text.includes("Testing net")) stop.abort();
      },
    });
    expect(out).not.toContain("Test net output");
    expect(readdirSync(join(folder, "out")).filter((name) => name.includes("iter"))).toEqual([]);
  });
});

describe("weights", () => {
  const conv = (value: number) => ({ dim: [4, 3, 3, 3], data: new Float32Array(108).fill(value) });
  const bias = { dim: [4], data: new Float32Array(4) };
  const kernel = (): number => {
    const bytes = readFileSync(join(folder, "out", "small_iter_1.caffemodel"));
    const layer = readCaffemodel({ name: "m", bytes }).layer.find(({ name }) => name === "conv");
    return layer?.blobs[0]?.data[0] ?? Number.NaN;
  };

  it("come by the layers' names, the last file's first", async () => {
    writeModel(join(folder, "a.caffemodel"), [{ name: "conv", blobs: [conv(0.5), bias] }]);
    writeModel(join(folder, "b.caffemodel"), [{ name: "conv", blobs: [conv(0.25), bias] }]);
    const frozen = netText().replaceAll("lr_mult: 1 ", "lr_mult: 0 ");
    writeFileSync(join(folder, "net.prototxt"), frozen);
    const settings = { ...small, max_iter: 1 };
    const run = async (weights: string): Promise<number> => {
      const { code, out, err } = await trainIn(folder, settings, [`--weights=${weights}`]);
      expect(code).toBe(0);
      expect(out).toContain("Finetuning from ");
      expect(err).toContain("begin anew: norm, scale, ip");
      return kernel();
    };
    expect(await run("a.caffemodel")).toBe(0.5);
    expect(await run("a.caffemodel,b.caffemodel")).toBe(0.25);
  });

  it("of another shape are an error that names the layer, or are ignored", async () => {
    const wrong = { dim: [4, 3, 5, 5], data: new Float32Array(300) };
    writeModel(join(folder, "w.caffemodel"), [{ name: "conv", blobs: [wrong, bias] }]);
    const settings = { ...small, max_iter: 1 };
    const refused = await trainIn(folder, settings, ["--weights=w.caffemodel"]);
    expect([refused.code, refused.out]).toEqual([2, ""]);
    expect(refused.err).toMatch(/"conv" blob 0.*expected 4x3x3x3, got 4x3x5x5/);
    const taken = await trainIn(folder, settings, [
      ...["--weights=w.caffemodel", "--ignore-shape-mismatch"],
    ]);
    expect(taken.code).toBe(0);
    expect(taken.err).toContain("other shapes");
  });
});

describe("what is wrong is told", () => {
  it("NaN: the layer, and earlier snapshots stay", async () => {
    const { code, err } = await trainIn(folder, {
      ...{ ...small, snapshot: 1, base_lr: 1e30, lr_policy: '"multistep"', gamma: 1e-30 },
      ...{ momentum: 0, stepvalue: 1000 },
    });
    expect(code).toBe(2);
    expect(err).toMatch(/iteration \d+: .*"\w+": training leaves the range of finite numbers/);
    for (const name of readdirSync(join(folder, "out")).filter((one) => one.endsWith("model"))) {
      const bytes = readFileSync(join(folder, "out", name));
      for (const { blobs } of readCaffemodel({ name, bytes }).layer) {
        for (const { data } of blobs) expect([...data].every(Number.isFinite)).toBe(true);
      }
    }
  });

  it("a label out of range: the sample, in training and in the test", async () => {
    const bad = [drawnPicture(0), { ...drawnPicture(1), label: 3 }, drawnPicture(2)];
    writeLmdb(join(folder, "bad_lmdb"), bad);
    writeFileSync(join(folder, "net.prototxt"), netText({ trainSource: "bad_lmdb" }));
    const training = await trainIn(folder, small);
    expect(training.code).toBe(2);
    expect(training.err).toMatch(
      /bad_lmdb: 00000001: "loss": a label is out of range: expected an integer in 0\.\.2, got 3/,
    );
    writeFileSync(join(folder, "net.prototxt"), netText().replace("test_lmdb", "bad_lmdb"));
    const test = await trainIn(folder, { test_interval: 1 });
    expect(test.err).toMatch(/bad_lmdb: 00000001: .*label is out of range/);
  });

  it("a database that was cut off: the file", async () => {
    writeLmdb(join(folder, "cut_lmdb"), [0, 1, 2, 3].map(drawnPicture));
    truncateSync(join(folder, "cut_lmdb", "data.mdb"), 4 * 4096);
    writeFileSync(join(folder, "net.prototxt"), netText({ trainSource: "cut_lmdb" }));
    const { code, err } = await trainIn(folder, small);
    expect(code).toBe(2);
    expect(err).toMatch(/cut_lmdb.data\.mdb/);
  });

  it("a snapshot that cannot be written: earlier ones stay, nothing half written", async () => {
    mkdirSync(join(folder, "out", "small_iter_6.solverstate"), { recursive: true });
    const { code, err } = await trainIn(folder, { ...small, snapshot: 3 }, ["--no-report"]);
    expect(code).toBe(1);
    expect(err).toContain("small_iter_6.solverstate");
    expect(readdirSync(join(folder, "out")).toSorted()).toEqual([
      ...["small.jsonl", "small_iter_3.caffemodel", "small_iter_3.solverstate"],
      "small_iter_6.solverstate",
    ]);
  });

  it.each([
    ["a network without files", { net: '"inputs.prototxt"' }, /no data layer that can be read/],
    [
      "a network that is not there",
      { net: '"lost.prototxt"' },
      /solver\.prototxt: net: no such file: got lost/,
    ],
    ["a solver without max_iter", { max_iter: "0 max_iter: -1" }, /max_iter/],
    ["a network without a loss", { net: '"plain.prototxt"' }, /no loss/],
  ])("%s", async (_, settings, message) => {
    const inputs = `layer { name: "data" type: "DummyData" top: "data" top: "label"
      dummy_data_param { shape { dim: 2 dim: 3 dim: 10 dim: 10 } shape { dim: 2 } } }\n`;
    const body = netText().replace(
      /layer \{\n {2}name: "data"[\s\S]*(?=layer \{ name: "conv")/,
      "",
    );
    writeFileSync(join(folder, "inputs.prototxt"), inputs + body);
    writeFileSync(
      join(folder, "plain.prototxt"),
      netText().replace(/layer \{ name: "loss".*\n/, ""),
    );
    const { code, out, err } = await trainIn(folder, settings);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(message);
  });

  it("a solver must be named", async () => {
    const { code, err } = await inlayIn(folder, ["train"]);
    expect(code).toBe(2);
    expect(err).toContain("--solver <file> is missing");
  });
});
