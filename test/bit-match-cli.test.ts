/**
 * The bit match as commands: `inlay evaluate --bit-match` and `inlay convert --evaluate`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { BitMatchReport } from "../src/report/bit-match.ts";
import { checkSchema } from "../src/report/json-schema.ts";
import { reportSchemas } from "../src/report/schema.ts";
import { changeImage, withChangedInteger } from "./bit-match-files.ts";
import { converted, folder, kinds, outputOf, useFolder } from "./bit-match-setup.ts";
import { kitFiles, tinyNetwork, tinyText } from "./kit-network.ts";
import { runCli } from "./run-cli.ts";

useFolder();

beforeAll(async () => {
  const network = tinyNetwork(2803, 12);
  await converted("sound", kitFiles(tinyText("DYNAMIC_FIXED_POINT", 12), 5), network);
  const files = kitFiles(tinyText("DYNAMIC_FIXED_POINT", 12), 12);
  const at = await converted("weight", files, network);
  changeImage(join(at, "out", "out.model"), (graph) =>
    withChangedInteger(graph, outputOf(graph, 1), 1, 3 * 144 + 5 * 9 + 4, -1500),
  );
});

describe("on the command line", () => {
  async function inlay(...argv: readonly string[]) {
    return await runCli(folder, argv);
  }

  const reference = ["--reference", "weight/a.prototxt", "weight/b.caffemodel"];

  it("evaluate --bit-match prints both phases, and fails where something differs", async () => {
    const all = await inlay("evaluate", "sound/out", "--bit-match", "pictures", ...reference);
    expect([all.code, all.out]).toEqual([1, expect.stringContaining("Compare p0.bmp alone")]);
    const words = ["evaluate", "weight/out", "--bit-match", "pictures/p3.bmp", ...reference];
    const { code, out, err } = await inlay(...words);
    expect([code, err]).toEqual([1, ""]);
    expect(out).toMatch(
      /First difference: conv2 \(1\.2\), channel 3, row \d+, column \d+: expected/,
    );
    expect(out).toMatch(/Likely causes\n {2}weights: weight \[3, 5, 1, 1\]/);
    const sound = ["--reference", "sound/a.prototxt", "sound/b.caffemodel"];
    const equal = await inlay(
      ...["evaluate", "sound/out/out.model", "--bit-match", "pictures", "--limit", "3"],
      ...[...sound, "--json", "--quiet"],
    );
    expect([equal.code, equal.err]).toEqual([0, ""]);
    const report: unknown = JSON.parse(equal.out);
    expect(checkSchema(reportSchemas["inlay.bit-match/1"], report)).toEqual([]);
    expect(report).toMatchObject({ matches: 3, isEqual: true });
  });

  it("evaluate reads and writes dumps", async () => {
    const common = ["evaluate", "weight/out", "--bit-match", "pictures/p3.bmp", ...reference];
    const wrote = await inlay(...common, "--write-dumps", "written");
    expect([wrote.code, wrote.out]).toEqual([1, expect.stringContaining("written: 7 files")]);
    const log = readFileSync(join(folder, "written", "evaluate_log.txt"), "utf8");
    expect(log).not.toContain(" more ");
    const read = await inlay(...common, "--dumps", "written", "--json", "--quiet");
    expect(read.code).toBe(1);
    const report = JSON.parse(read.out) as BitMatchReport;
    expect(report.dumps).toBe(join(folder, "written"));
    expect(kinds(report.difference)).toEqual(["weights"]);
  });

  it("convert --evaluate warns where gains were edited after rounding", async () => {
    const text = tinyText("DYNAMIC_FIXED_POINT", 12, [3, 4, 2]);
    const { prototxt, caffemodel } = kitFiles(text, 6);
    mkdirSync(join(folder, "gains"));
    writeFileSync(join(folder, "gains", "a.prototxt"), prototxt);
    writeFileSync(join(folder, "gains", "b.caffemodel"), caffemodel);
    const { code, out, err } = await inlay(
      ...["convert", "gains/a.prototxt", "gains/b.caffemodel", "--target", "gti2803", "--json"],
      ...[
        "--waive=image-size",
        "--edit_gain=true",
        "--input_scale=1/255",
        "--output_dir=gains/out",
      ],
      "--evaluate=pictures",
    );
    expect([code, err]).toEqual([1, expect.anything()]);
    const report = JSON.parse(out) as {
      readonly bitMatch: BitMatchReport;
      readonly warnings: BitMatchReport["warnings"];
    };
    expect(report.warnings.map(({ id }) => id)).toContain("rounded-twice");
    for (const { values, equalValues } of report.bitMatch.pictures) {
      expect(equalValues / values).toBeGreaterThan(0.95);
    }
  });

  it("evaluate refuses flags that do not go together", async () => {
    const alone = await inlay("evaluate", "weight/out", "--images", "pictures", "--dumps", "board");
    expect([alone.code, alone.err]).toEqual([
      2,
      expect.stringContaining("--dumps goes with --bit-match"),
    ]);
    const both = ["--images", "pictures", "--bit-match", "pictures"];
    const twice = await inlay("evaluate", "weight/out", ...both);
    expect([twice.code, twice.err]).toEqual([2, expect.stringContaining("got --images")]);
  });

  it("convert --evaluate compares what it wrote", async () => {
    const convert = (out: string, evaluate: string, ...more: readonly string[]) =>
      inlay(
        ...["convert", "weight/a.prototxt", "weight/b.caffemodel", "weight/network.json", "-o"],
        ...[`--output_dir=${out}`, `--evaluate=${evaluate}`, ...more],
      );
    const many = await convert("many", "pictures");
    expect([many.code, many.err]).toEqual([0, ""]);
    expect(many.out).toMatch(/Written\n {2}\S*many: .*out\.model[\s\S]*5 of 5 pictures match/);
    expect(readdirSync(join(folder, "many", "evaluate_output"))).toEqual(["evaluate_log.txt"]);
    const single = await convert("single", "pictures/p1.bmp", "--json", "--quiet");
    expect([single.code, single.err]).toEqual([0, ""]);
    const report: unknown = JSON.parse(single.out);
    expect(checkSchema(reportSchemas["inlay.convert/1"], report)).toEqual([]);
    expect(report).toMatchObject({ bitMatch: { isEqual: true, matches: 1, difference: null } });
    const dumped = readdirSync(join(folder, "single", "evaluate_output", "chip"));
    expect(dumped.toSorted()).toEqual(
      [1, 2].map((at) => `dump_sublayer1-${at}.bin`).concat("dump_sublayer2-1.bin"),
    );
    expect((await convert("single", "pictures/p1.bmp")).code).toBe(2);
    expect((await convert("single", "pictures/p1.bmp", "--force", "--quiet")).code).toBe(0);
    const nowhere = await convert("nowhere", "no-such-folder");
    expect(nowhere.code).toBe(2);
    expect(() => readdirSync(join(folder, "nowhere"))).toThrow("ENOENT");
  });
});
